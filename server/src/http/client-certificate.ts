import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { HttpRequest } from "./messages.ts";

/** The SHA-256 of the DER of the certificate that a request's connection was opened with. */
export type ClientCertificate = (request: HttpRequest) => Buffer | undefined;

/** Looks once a connection, and never where the port does not ask for certificates. */
export function createClientCertificate({ requested }: { requested: boolean }): ClientCertificate {
  if (!requested) return () => undefined;
  const known = new WeakMap<Socket, Buffer | undefined>();
  return (request) => {
    const socket = socketOf(request);
    if (!known.has(socket)) known.set(socket, certificateSha256(socket));
    return known.get(socket);
  };
}

/** HTTP/2 shows a stand-in for its socket, the same one for each request of a connection. */
function socketOf(request: HttpRequest): Socket {
  return "stream" in request ? (request.stream.session?.socket ?? request.socket) : request.socket;
}

function certificateSha256(socket: Socket): Buffer | undefined {
  if (!(socket instanceof TLSSocket)) return undefined;
  const { fingerprint256 } = socket.getPeerCertificate();
  return fingerprint256 === undefined ? undefined : Buffer.from(fingerprint256.replaceAll(":", ""), "hex");
}
