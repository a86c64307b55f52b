import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { dueAfter, type Limits } from "./one-port-limits.ts";
import { type RawErrorCode, rawErrorResponse } from "./raw-errors.ts";

export type Http1Connection = {
  /** Notes a response that is to be sent; forgotten when it is closed. */
  opened(res: ServerResponse): void;
  /** Destroys the socket when its reader is too slow, or its response silent for too long. `now` is performance.now(). */
  sweep(now: number): void;
  /** Answers what cannot be parsed, after the responses to what came before it, and closes. */
  refuse(code: RawErrorCode): void;
  /** Closes once the responses in flight are sent. */
  finish(): void;
};

export function createHttp1Connection(socket: Socket, limits: Limits, sweepMs: number): Http1Connection {
  const stalledAfter = dueAfter(limits.writeTimeoutMs, sweepMs);
  const silentAfter = dueAfter(limits.streamIdleMs, sweepMs);
  const open = new Set<ServerResponse>();
  // Undefined while nothing is being answered.
  let last: { sent: number; received: number; sentAt: number; activeAt: number } | undefined;
  let latest: IncomingMessage | undefined;
  let refused = false;

  const refuse = (code: RawErrorCode): void => {
    const [first] = open;
    const ahead = first?.req.complete === true ? first : undefined;
    if (ahead !== undefined) {
      ahead.once("close", () => refuse(code));
      return;
    }
    // What is broken may be the rest of a request that has its answer already: a second one would be taken for the next.
    const isAnswered = first === undefined ? latest?.complete === false : first.headersSent;
    if (socket.destroyed || isAnswered) {
      socket.destroy();
      return;
    }
    linger(socket, rawErrorResponse(code), limits.lingerMs);
  };

  return {
    opened(res) {
      latest = res.req;
      open.add(res);
      res.on("close", () => open.delete(res));
    },
    sweep(now) {
      if (open.size === 0 && socket.writableLength === 0) {
        last = undefined;
        return;
      }
      const sent = socket.bytesWritten - socket.writableLength;
      const received = socket.bytesRead;
      const hasSent = sent !== last?.sent;
      const hasReceived = received !== last?.received;
      last = {
        sent,
        received,
        sentAt: last === undefined || hasSent || socket.writableLength === 0 ? now : last.sentAt,
        activeAt: last === undefined || hasSent || hasReceived ? now : last.activeAt,
      };
      const [first] = open;
      const isStalled = now - last.sentAt >= stalledAfter;
      const isSilent = first?.headersSent === true && now - last.activeAt >= silentAfter;
      if (isStalled || isSilent) socket.destroy();
    },
    refuse(code) {
      if (refused) return;
      refused = true;
      refuse(code);
    },
    finish() {
      for (const res of open) {
        res.shouldKeepAlive = false;
        // Node closes after a response that says so; one that has begun has said otherwise.
        if (res.headersSent) res.once("close", () => socket.destroySoon());
      }
    },
  };
}

/** Closing with unread input resets the connection, and a reset may overtake the answer: so the input is read away. */
function linger(socket: Socket, answer: string, lingerMs: number): void {
  const timer = setTimeout(() => socket.destroy(), lingerMs);
  socket.once("close", () => clearTimeout(timer));
  socket.once("end", () => socket.destroySoon());
  socket.removeAllListeners("data");
  socket.on("data", () => {});
  socket.on("error", () => {});
  socket.resume();
  socket.end(answer);
}
