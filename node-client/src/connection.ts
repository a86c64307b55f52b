import type { SecureClientSessionOptions } from "node:http2";
import type { Interceptor, Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { createHttp2Sessions } from "./http2-sessions.ts";

export type TlsOptions = {
  /** The certificates that the server's must come from, in PEM. Default: those that Node trusts. */
  ca?: string | Buffer;
  /** This back end's own certificate and its key, in PEM, for an account that is bound to one. */
  cert?: string | Buffer;
  key?: string | Buffer;
  /** The name that the server's certificate must have. Default: the host of the address. */
  servername?: string;
};

export type ConnectionOptions = { address: string; serviceAccount: string; tls?: TlsOptions | undefined };
export type Connection = { transport: Transport; close(): void };

const READ_MAX_BYTES = 4 * 1024 * 1024;

/**
 * One HTTP/2 connection, over TLS or in clear text as the address says, opened when it is needed and again when it was lost.
 * @throws TypeError for an address or a secret that is none.
 */
export function createConnection({ address, serviceAccount, tls }: ConnectionOptions): Connection {
  const baseUrl = parseAddress(address, tls !== undefined);
  if (!/^sa_[\w-]+$/.test(serviceAccount)) throw new TypeError("serviceAccount: give the secret, sa_…");
  const sessions = createHttp2Sessions(baseUrl, tls as SecureClientSessionOptions | undefined);
  const authorize: Interceptor = (next) => (request) => {
    request.header.set("authorization", `Bearer ${serviceAccount}`);
    return next(request);
  };
  const transport = createGrpcTransport({
    baseUrl,
    sessionManager: sessions,
    interceptors: [authorize],
    readMaxBytes: READ_MAX_BYTES,
  });
  return { transport, close: () => sessions.close() };
}

/**
 * `https://auth.internal:8080`. A bare `host:port` is TLS when TLS options are given, and clear text to this machine; to another
 * it is refused: the secret of the account would travel readable because of a missing word.
 */
function parseAddress(address: string, secure: boolean): string {
  const isBare = !address.includes("://");
  const text = isBare ? `${secure ? "https" : "http"}://${address}` : address;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.pathname !== "/") {
    throw new TypeError(`address: ${address} is no address of a server, https://auth.internal:8080 for instance`);
  }
  if (secure && url.protocol === "http:") throw new TypeError("tls: the address says http, which has none");
  if (isBare && !secure && !isLoopback(url.hostname)) {
    throw new TypeError(`address: say https://${address}, or http://${address} if nobody can listen on the way`);
  }
  return url.origin;
}

/** Hosts that never leave this machine (RFC 6761 section 6.3, RFC 5735), as a URL spells them. */
function isLoopback(hostname: string): boolean {
  return /^(?:(?:.+\.)?localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(hostname);
}
