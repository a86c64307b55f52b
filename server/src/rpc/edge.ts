import { createContextKey, type HandlerContext } from "@connectrpc/connect";
import { AuthError } from "../domain/errors.ts";
import type { ServiceAccount } from "../service/backend-ports.ts";
import type { Bearer, Client } from "../service/ports.ts";
import type { BoundFields } from "./bound-fields.ts";

/** What the HTTP edge and the interceptors know of one call. */
export type Edge = {
  client: Client;
  /** What an envelope of this call must be bound to: the RPC path, or the route without base, as called. */
  binding: string;
  protocol: string;
  /** The host and port that the caller meant, as it said. */
  authority: string;
  /** Whether the origin and the content type allow the refresh cookie to be read. */
  cookieAllowed: boolean;
  /** False while the call has not come further than the protocol: what failed then is the protocol's error, not ours. */
  reached: boolean;
  bearer: Bearer | undefined;
  /** The other back end that calls, of an RPC for service accounts. */
  service?: ServiceAccount | undefined;
  /** The SHA-256 of the certificate that the connection was opened with; undefined where the port asks for none. */
  clientCertificate?: Buffer | undefined;
  /** The key of the stateless envelope that the request came in. */
  contentKey?: Uint8Array | undefined;
  /** Fields that the address of a sealed call holds: its envelope is bound to them, but does not have them. */
  boundFields?: BoundFields | undefined;
};

const NO_EDGE: Edge = {
  client: { ip: "0.0.0.0", userAgent: "", requestId: "" },
  binding: "",
  protocol: "",
  authority: "",
  cookieAllowed: false,
  reached: false,
  bearer: undefined,
};

export const edgeKey = createContextKey<Edge>(NO_EDGE, { description: "edge" });

export function edgeOf(context: HandlerContext): Edge {
  return context.values.get(edgeKey);
}

/** The access interceptor put it there; without it the call must not go on. */
export function bearerOf(context: HandlerContext): Bearer {
  const { bearer } = edgeOf(context);
  if (bearer === undefined) throw new AuthError("token_missing");
  return bearer;
}

/** The same for an RPC for service accounts. */
export function serviceOf(context: HandlerContext): ServiceAccount {
  const { service } = edgeOf(context);
  if (service === undefined) throw new AuthError("token_missing");
  return service;
}
