import type { AddressInfo, Server, Socket } from "node:net";
import { createServer } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { createHttp1Edge } from "./http1-edge.ts";
import { createHttp2Edge } from "./http2-edge.ts";
import type { OnError, RequestListener } from "./one-port-guard.ts";
import { defaultLimits, type Limits } from "./one-port-limits.ts";
import { createOpeningConnections } from "./one-port-opening.ts";
import { sniffProtocol } from "./sniff-protocol.ts";

export type { RequestListener } from "./one-port-guard.ts";
export type { Limits } from "./one-port-limits.ts";

export type OnePortOptions = {
  host: string;
  /** 0 takes any free port. */
  port: number;
  /** PEM. Absent: clear text. With `requestCert`, clients are asked for a certificate; whose it is, others judge. */
  tls?: { cert: string | Buffer; key: string | Buffer; requestCert?: boolean };
  listener: RequestListener;
  onError: OnError;
  limits?: Partial<Limits>;
};

export type OnePort = {
  port: number;
  /** Where it listens, without a trailing slash: `http://127.0.0.1:8080`. */
  url: string;
  /**
   * Stops accepting, closes idle connections at once, lets requests in flight finish and tells their clients to come
   * back elsewhere. After `graceMs` the rest is cut off. Resolves when no connection is left; calling it again waits
   * for the first call.
   */
  drain(graceMs: number): Promise<void>;
};

const BACKLOG = 1024;
/** Finds peers that vanished without a word while a long response is open. */
const KEEP_ALIVE_PROBE_MS = 60_000;

/**
 * Serves HTTP/1.1 and HTTP/2 on one TCP port: in clear text by the first bytes of a connection, over TLS by ALPN.
 * Resolves when listening; rejects when the address cannot be had.
 */
export async function listenOnePort(options: OnePortOptions): Promise<OnePort> {
  const { onError } = options;
  const limits: Limits = { ...defaultLimits, ...options.limits };
  const edge = { listener: options.listener, onError, limits };
  const edges = { http1: createHttp1Edge(edge), http2: createHttp2Edge(edge) };
  const sockets = new Set<Socket>();
  const opening = createOpeningConnections(limits.openingTimeoutMs);

  const track = (socket: Socket): void => {
    sockets.add(socket);
    // A reset is the client's right; whoever serves the socket sees it as a close.
    socket.on("error", () => {});
    socket.once("close", () => sockets.delete(socket));
  };
  const accept = (socket: Socket): void => {
    track(socket);
    opening.add(socket);
  };
  const take: Take = (socket, protocol) => {
    opening.done(socket);
    edges[protocol].take(socket);
  };

  const server = options.tls ? createTls(options.tls, take) : createClear(take);
  server.prependListener("connection", accept);
  server.on("secureConnection", track);
  server.maxConnections = limits.maxConnections;
  await listening(server, options);
  server.on("error", (error) => onError(error, "accepting connections"));

  const { port } = server.address() as AddressInfo;
  const host = options.host.includes(":") ? `[${options.host}]` : options.host;
  let drained: Promise<void> | undefined;

  const drain = async (graceMs: number): Promise<void> => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    opening.destroyAll();
    edges.http1.drain();
    edges.http2.drain();
    const timer = setTimeout(() => {
      for (const socket of sockets) socket.destroy();
    }, graceMs);
    await closed;
    clearTimeout(timer);
    edges.http1.dispose();
    edges.http2.dispose();
  };

  return {
    port,
    url: `${options.tls ? "https" : "http"}://${host}:${port}`,
    drain(graceMs) {
      drained ??= drain(graceMs);
      return drained;
    },
  };
}

type Take = (socket: Socket, protocol: "http1" | "http2") => void;

const socketOptions = { noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_PROBE_MS };

function createClear(take: Take): Server {
  return createServer({ ...socketOptions, allowHalfOpen: true }, (socket) =>
    sniffProtocol(socket, (protocol) => take(socket, protocol)),
  );
}

function createTls(tls: NonNullable<OnePortOptions["tls"]>, take: Take): Server {
  const server = createTlsServer({
    ...socketOptions,
    ...tls,
    ALPNProtocols: ["h2", "http/1.1"],
    minVersion: "TLSv1.2",
    rejectUnauthorized: false,
  });
  server.on("secureConnection", (socket) => take(socket, socket.alpnProtocol === "h2" ? "http2" : "http1"));
  // A failed handshake is the client's affair.
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  return server;
}

function listening(server: Server, { host, port }: OnePortOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port, backlog: BACKLOG }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}
