import { createServer, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { createHttp1Connection, type Http1Connection } from "./http1-connection.ts";
import { guardListener, type OnError, type RequestListener } from "./one-port-guard.ts";
import { dueAfter, type Limits, sweepIntervalMs } from "./one-port-limits.ts";
import { type RawErrorCode, sendRawError } from "./raw-errors.ts";

export type ProtocolEdge = {
  /** Serves a connection whose first bytes are still to be read from it. */
  take(socket: Socket): void;
  /** Takes no further request from open connections and lets the requests in flight finish. */
  drain(): void;
  /** Stops the timers; for when every connection is closed. */
  dispose(): void;
};

const codesOfParseErrors: Record<string, RawErrorCode> = {
  HPE_HEADER_OVERFLOW: "payload_too_large",
  HPE_CHUNK_EXTENSIONS_OVERFLOW: "payload_too_large",
};

/** HTTP/1.0 and 1.1, by a `node:http` server that never listens: it is handed its sockets. */
export function createHttp1Edge(options: {
  listener: RequestListener;
  onError: OnError;
  limits: Limits;
}): ProtocolEdge {
  const { listener, onError, limits } = options;
  const sweepMs = sweepIntervalMs(limits);
  const connections = new Map<Socket, Http1Connection>();
  const serve = guardListener(listener, onError);
  let draining = false;

  const server = createServer({
    maxHeaderSize: limits.headerBytes,
    headersTimeout: dueAfter(Math.min(limits.headersTimeoutMs, limits.requestTimeoutMs), sweepMs),
    requestTimeout: dueAfter(limits.requestTimeoutMs, sweepMs),
    keepAliveTimeout: limits.idleTimeoutMs,
    connectionsCheckingInterval: sweepMs,
    // Node's own answer is not ours; readTarget() looks instead.
    requireHostHeader: false,
  });
  // Node keeps 1,000 headers and drops the rest in silence; their bytes are limited already.
  server.maxHeadersCount = 0;

  const track = (res: ServerResponse): void => {
    connections.get(res.req.socket)?.opened(res);
    // A write after the end is emitted, not thrown, and would end the process.
    res.on("error", (error) => onError(error, "http/1 response"));
    if (draining) res.shouldKeepAlive = false;
  };
  server.on("request", (req, res) => {
    track(res);
    serve(req, res);
  });
  server.on("checkExpectation", (_req, res) => {
    track(res);
    sendRawError(res, "invalid_request");
  });
  server.on("connect", (req) => connections.get(req.socket)?.refuse("invalid_request"));
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    const connection = connections.get(socket as Socket);
    if (connection === undefined || !socket.writable) socket.destroy();
    else connection.refuse(codesOfParseErrors[error.code ?? ""] ?? "invalid_request");
  });
  // The header and request timeouts are armed by this event, which a server that never listens would not emit.
  server.emit("listening");

  const sweep = setInterval(() => {
    const now = performance.now();
    for (const connection of connections.values()) connection.sweep(now);
  }, sweepMs).unref();

  return {
    take(socket) {
      connections.set(socket, createHttp1Connection(socket, limits, sweepMs));
      socket.once("close", () => connections.delete(socket));
      server.emit("connection", socket);
      socket.resume();
    },
    drain() {
      draining = true;
      server.closeIdleConnections();
      for (const connection of connections.values()) connection.finish();
    },
    dispose() {
      clearInterval(sweep);
      server.close();
    },
  };
}
