import { encodeRequestAad, jtiBytes } from "./aad.ts";
import { importContentKey, sealGcm } from "./aes-gcm.ts";
import { openAnswer } from "./answer.ts";
import { decodeBase64url, encodeBase64url } from "./base64url.ts";
import { type Bytes, messageBytes, randomBytes } from "./bytes.ts";
import type { FrontAnswer, FrontEnvelope } from "./envelope.ts";
import type { Recipient } from "./front-key.ts";

export type SealOptions = {
  /** The call the request is for: its RPC path or its route path, as called. */
  binding: string;
  /** Unix seconds; a fraction is cut off. */
  now: number;
  /** 16 bytes, base64url; random when absent. Never the same twice: the server accepts it once. */
  jti?: string;
  /** Without additional data the request is bound to nothing and can be replayed; servers may refuse it. Default: true. */
  withAad?: boolean;
};

export type SealedRequest = {
  envelope: FrontEnvelope;
  /** The plaintext of the answer to this request; rejects with `envelope_invalid` for anything else. */
  openAnswer(answer: FrontAnswer): Promise<Uint8Array>;
};

/** Seals a request under a fresh content key. Rejects with a RangeError when `jti` or the binding has no valid form. */
export async function sealRequest(
  recipient: Recipient,
  plaintext: Uint8Array | string,
  options: SealOptions,
): Promise<SealedRequest> {
  const { contentKey, ...sealed } = await sealKeepingKey(recipient, plaintext, options);
  contentKey.fill(0);
  return sealed;
}

/** The same for a handshake, which needs the content key still: whoever calls overwrites it. */
export async function sealKeepingKey(
  recipient: Recipient,
  plaintext: Uint8Array | string,
  { binding, now, jti = encodeBase64url(randomBytes(jtiBytes)), withAad = true }: SealOptions,
): Promise<SealedRequest & { contentKey: Bytes }> {
  if (decodeBase64url(jti)?.length !== jtiBytes) throw new RangeError(`a jti is ${jtiBytes} bytes in base64url`);
  const message = messageBytes(plaintext);
  const aad = withAad ? encodeRequestAad({ binding, ts: Math.floor(now), jti }) : undefined;
  const { contentKey, carrier } = await recipient.createContentKey();
  const key = await importContentKey(contentKey);
  const { iv, ct } = await sealGcm(key, message, aad ?? new Uint8Array());
  const envelope: FrontEnvelope = {
    kid: recipient.kid,
    alg: recipient.alg,
    enc: "A256GCM",
    ...carrier,
    iv: encodeBase64url(iv),
    ct: encodeBase64url(ct),
    ...(aad && { aad: encodeBase64url(aad) }),
  };
  const about = { binding, re: withAad ? jti : undefined };
  return { envelope, contentKey, openAnswer: (answer) => openAnswer(key, about, answer) };
}
