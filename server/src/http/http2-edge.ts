import { createServer, type ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import type { ProtocolEdge } from "./http1-edge.ts";
import { createHttp2Connection, type Http2Connection } from "./http2-connection.ts";
import {
  type AnyRequest,
  type AnyResponse,
  guardListener,
  type OnError,
  type RequestListener,
} from "./one-port-guard.ts";
import { type Limits, sweepIntervalMs } from "./one-port-limits.ts";
import { sendRawError } from "./raw-errors.ts";

/** The overhead that RFC 9113, 6.5.2 counts for each header field. */
const FIELD_OVERHEAD = 32;

/**
 * nghttp2 resets a stream whose headers are above what SETTINGS advertise, without a word. So more is advertised than
 * is taken, and what lies between gets an answer.
 */
const ADVERTISED_HEADERS_FACTOR = 4;

/** HTTP/2 in clear text and over TLS, by a `node:http2` server that never listens: it is handed its sockets. */
export function createHttp2Edge(options: {
  listener: RequestListener;
  onError: OnError;
  limits: Limits;
}): ProtocolEdge {
  const { listener, onError, limits } = options;
  const sweepMs = sweepIntervalMs(limits);
  const connections = new Set<Http2Connection>();
  const serve = guardListener(listener, onError);
  let taken: Socket | undefined;
  let draining = false;

  const server = createServer({
    settings: {
      maxConcurrentStreams: limits.maxConcurrentStreams,
      maxHeaderListSize: limits.headerBytes * ADVERTISED_HEADERS_FACTOR,
    },
    maxHeaderListPairs: Math.ceil((limits.headerBytes * ADVERTISED_HEADERS_FACTOR) / FIELD_OVERHEAD),
  });

  server.on("request", (req, res) => {
    // Reset by the client before it was looked at: nobody waits for an answer.
    if (req.stream.destroyed || req.stream.closed) return;
    if (headerListSize(req.rawHeaders) > limits.headerBytes) sendRawError(res, "payload_too_large");
    else serve(req, res);
  });
  const refuse = (_req: AnyRequest, res: AnyResponse): void => sendRawError(res, "invalid_request");
  server.on("checkExpectation", refuse);
  server.on("connect", refuse);
  server.on("session", (session: ServerHttp2Session) => {
    if (taken === undefined) return;
    const connection = createHttp2Connection(session, taken, limits, sweepMs);
    connections.add(connection);
    taken.once("close", () => connections.delete(connection));
    if (draining) connection.finish();
  });

  const sweep = setInterval(() => {
    const now = performance.now();
    for (const connection of connections) connection.sweep(now);
  }, sweepMs).unref();

  return {
    take(socket) {
      // node:http2 leaves a half-open socket open for ever.
      socket.allowHalfOpen = false;
      taken = socket;
      server.emit("connection", socket);
      taken = undefined;
    },
    drain() {
      draining = true;
      for (const connection of connections) connection.finish();
    },
    dispose() {
      clearInterval(sweep);
    },
  };
}

function headerListSize(rawHeaders: readonly string[]): number {
  let size = (rawHeaders.length / 2) * FIELD_OVERHEAD;
  for (const text of rawHeaders) size += text.length;
  return size;
}
