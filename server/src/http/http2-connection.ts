import { constants, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { createResetBudget } from "./http2-reset-budget.ts";
import { type StreamWatch, watchStream } from "./http2-stream-watch.ts";
import { dueAfter, type Limits } from "./one-port-limits.ts";

export type Http2Connection = {
  /** Ends what is over its time: streams, an idle session, a session that never begins. `now` is performance.now(). */
  sweep(now: number): void;
  /**
   * Sends GOAWAY, lets open streams finish and closes after the last. A request that crosses the GOAWAY is not served,
   * and its client may repeat it anywhere: its stream is above the one that GOAWAY names (RFC 9113, 6.8). The gentler
   * two-step stop is not to be had: once a GOAWAY is sent by Node, nghttp2 ignores whatever stream it names.
   */
  finish(): void;
};

export function createHttp2Connection(
  session: ServerHttp2Session,
  socket: Socket,
  limits: Limits,
  sweepMs: number,
): Http2Connection {
  const headersDue = dueAfter(limits.headersTimeoutMs, sweepMs);
  const idleDue = dueAfter(limits.idleTimeoutMs, sweepMs);
  const streams = new Map<ServerHttp2Stream, StreamWatch>();
  const mayReset = createResetBudget(limits);
  let hasBegun = false;
  let lastStreamId = 0;
  // Since when nothing was asked; since when headers are on their way; since when nothing is left but to close.
  let idleSince = performance.now();
  let headersSince: number | undefined;
  let closingSince: number | undefined;
  let closingDue = dueAfter(limits.writeTimeoutMs, sweepMs);

  const expel = (reason: string): void => session.destroy(new Error(reason), constants.NGHTTP2_ENHANCE_YOUR_CALM);

  session.once("remoteSettings", () => {
    hasBegun = true;
  });
  session.on("error", () => {
    closingDue = limits.lingerMs;
  });
  session.on("stream", (stream, headers) => {
    lastStreamId = Math.max(lastStreamId, stream.id ?? 0);
    streams.set(stream, watchStream(stream, headers, limits, sweepMs));
    stream.on("close", () => {
      streams.delete(stream);
      idleSince = performance.now();
      if (stream.rstCode === constants.NGHTTP2_NO_ERROR || mayReset(idleSince)) return;
      expel("too many of its streams were reset");
    });
  });

  /** nghttp2 counts a stream when its HEADERS begin, Node shows it when they are complete. */
  const isReadingHeaders = (): boolean => (session.state.lastProcStreamID ?? 0) > lastStreamId;

  return {
    sweep(now) {
      if (session.destroyed || (session.closed && streams.size === 0)) {
        // The farewell waits in a socket that nobody reads.
        closingSince ??= now;
        if (now - closingSince >= closingDue) socket.destroy();
        return;
      }
      for (const watch of streams.values()) {
        if (!watch.sweep(now)) return void socket.destroy();
      }

      headersSince = hasBegun && isReadingHeaders() ? (headersSince ?? now) : undefined;
      const waitsSince = hasBegun ? headersSince : idleSince;
      const isStuck = waitsSince !== undefined && now - waitsSince >= headersDue;
      if (isStuck && streams.size === 0) expel("it takes too long over its preface or over headers");
      // nghttp2 may have refused those headers itself: the requests of others, behind a proxy, are not to suffer.
      else if (isStuck || (streams.size === 0 && now - idleSince >= idleDue)) session.close();
    },
    finish() {
      session.close();
    },
  };
}
