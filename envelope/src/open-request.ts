import { readRequestAad } from "./aad.ts";
import type { Sealed } from "./aes-gcm.ts";
import { sealAnswer } from "./answer.ts";
import type { Bytes } from "./bytes.ts";
import { type FrontAnswer, parseEnvelope } from "./envelope.ts";
import { EnvelopeError } from "./errors.ts";
import type { Opener } from "./front-key.ts";
import type { GcmKey } from "./gcm-key.ts";
import { importGcmKey, type Primitives, webCrypto } from "./primitives.ts";
import { replayIdOf } from "./replay-id.ts";

export type OpenOptions = {
  /** The call that the envelope arrived at: its RPC path or its route path, as called. */
  binding: string;
  /** Unix seconds. */
  now: number;
  /** Whether an envelope without additional data is refused. It is bound to no call and can be replayed. */
  aadRequired: boolean;
  /** How far the sender's clock may be from `now`, either way, in seconds. Default: 60. */
  maxSkewS?: number;
  /** What opens it and seals the answer. Default: WebCrypto. */
  primitives?: Primitives;
};

export type OpenedRequest = {
  plaintext: Uint8Array;
  /**
   * To be accepted once, by all replicas together; remember it until `issuedAt + maxSkewS`. Absent when the envelope had no
   * additional data.
   */
  replayId: string | undefined;
  /** Unix seconds, by the sender's clock. */
  issuedAt: number | undefined;
  /** The id that the sender gave the request, and that the answer names; absent when the envelope had no additional data. */
  jti: string | undefined;
  /**
   * The 32 bytes that the request and its answer are sealed under. For one thing only: in a handshake they are the root of the
   * channel, or go into it (`openChannel`, `acceptKeyShare`). Anywhere else, leave them alone.
   */
  contentKey: Uint8Array;
  /** Seals an answer that only the sender of this request can open, and only as the answer to it. */
  sealAnswer(plaintext: Uint8Array | string): Promise<FrontAnswer>;
};

/** What an answer is sealed with, by one who has not the opened request at hand any more. */
export type AnswerContext = { contentKey: Uint8Array; binding: string; jti: string | undefined };

/** Seals the answer to a request that was opened before. Rejects with a RangeError unless the key has 32 bytes. */
export async function sealAnswerTo(
  { contentKey, binding, jti }: AnswerContext,
  plaintext: Uint8Array | string,
  primitives: Pick<Primitives, "importKey"> = webCrypto,
): Promise<FrontAnswer> {
  return sealAnswer(await importGcmKey(primitives, new Uint8Array(contentKey)), { binding, re: jti }, plaintext);
}

/**
 * Opens a request. Rejects with `envelope_invalid` whatever is wrong with it, `envelope_unknown_key` when a well-formed one
 * names a key that `findOpener` does not know, and `envelope_expired` when an authentic one is too old or from the future.
 * It does not remember `replayId`: that is the caller's.
 */
export async function openRequest(
  findOpener: (kid: string) => Opener | undefined,
  envelope: unknown,
  { binding, now, aadRequired, maxSkewS = 60, primitives = webCrypto }: OpenOptions,
): Promise<OpenedRequest> {
  const { kid, alg, carrier, sealed, aad } = parseEnvelope(envelope);
  if (aad === undefined && aadRequired) throw new EnvelopeError("envelope_invalid");
  const opener = findOpener(kid);
  if (opener === undefined) throw new EnvelopeError("envelope_unknown_key");
  if (opener.alg !== alg) throw new EnvelopeError("envelope_invalid");

  const contentKey = await opener.recoverContentKey(carrier);
  const key = await importGcmKey(primitives, contentKey);
  const plaintext = await openAuthentic(key, sealed, aad ?? new Uint8Array());
  const issued = aad && readRequestAad(aad, binding);
  if (issued && Math.abs(now - issued.ts) > maxSkewS) throw new EnvelopeError("envelope_expired");

  return {
    plaintext,
    replayId: issued && (await replayIdOf(primitives, contentKey, issued.jtiBytes)),
    issuedAt: issued?.ts,
    jti: issued?.jti,
    contentKey,
    sealAnswer: (answer) => sealAnswer(key, { binding, re: issued?.jti }, answer),
  };
}

async function openAuthentic(key: GcmKey, { iv, ct }: Sealed, additionalData: Bytes): Promise<Uint8Array> {
  try {
    return await key.open(ct, { iv, additionalData });
  } catch {
    throw new EnvelopeError("envelope_invalid");
  }
}
