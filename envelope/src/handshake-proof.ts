import { encodeBase64url } from "./base64url.ts";
import { EnvelopeError } from "./errors.ts";
import { hasMembers, readJsonObject } from "./json.ts";
import { type SigJwk, verifyJws } from "./jws.ts";

/** What the server signs of a forward-secret handshake. */
export type HandshakeStatement = {
  readonly sid: string;
  /** The handshake call: its RPC path or its route path, as called. */
  readonly binding: string;
  /** The raw public keys: 65 bytes uncompressed on P-256, 32 on X25519. */
  readonly clientPoint: Uint8Array;
  readonly serverPoint: Uint8Array;
  readonly expiresInS: number;
};

/** The `typ` of the proof's header, which has `alg` and `kid` beside it and nothing else. */
export const handshakeProofTyp = "sello-handshake+jws";

/** The text to sign: JSON of exactly `sid`, `b`, `client`, `server` and `expires_in`. */
export function handshakeProofPayload(statement: HandshakeStatement): string {
  return JSON.stringify(payloadMembers(statement));
}

/**
 * Resolves when the proof is signed by a `sig` key of the server's set and states exactly this handshake. Otherwise rejects as
 * `verifyJws` does: `envelope_unknown_key` for a key that is not in the set, else `envelope_invalid`.
 */
export async function verifyHandshakeProof(
  proof: unknown,
  sigKeys: readonly SigJwk[],
  statement: HandshakeStatement,
): Promise<void> {
  const stated = readJsonObject(await verifyJws(proof, sigKeys, handshakeProofTyp));
  const { sid, b, client, server, expires_in, ...rest } = stated;
  const seen = payloadMembers(statement);
  const same =
    sid === seen.sid &&
    b === seen.b &&
    client === seen.client &&
    server === seen.server &&
    expires_in === seen.expires_in &&
    !hasMembers(rest);
  if (!same) throw new EnvelopeError("envelope_invalid");
}

function payloadMembers({ sid, binding, clientPoint, serverPoint, expiresInS }: HandshakeStatement) {
  return {
    sid,
    b: binding,
    client: encodeBase64url(clientPoint),
    server: encodeBase64url(serverPoint),
    expires_in: expiresInS,
  };
}
