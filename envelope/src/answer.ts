import { type AnswerAad, checkAnswerAad, encodeAnswerAad } from "./aad.ts";
import { ivBytes, openGcm } from "./aes-gcm.ts";
import { encodeBase64url } from "./base64url.ts";
import { type Bytes, messageBytes, randomBytes } from "./bytes.ts";
import { type FrontAnswer, parseAnswer } from "./envelope.ts";
import type { GcmKey } from "./gcm-key.ts";

/** Seals an answer under its request's key, bound to that request. */
export async function sealAnswer(key: GcmKey, about: AnswerAad, plaintext: Uint8Array | string): Promise<FrontAnswer> {
  const aad = encodeAnswerAad(about);
  const iv = randomBytes(ivBytes);
  const ct = await key.seal(messageBytes(plaintext), { iv, additionalData: aad });
  return { enc: "A256GCM", iv: encodeBase64url(iv), ct: encodeBase64url(ct), aad: encodeBase64url(aad) };
}

/** The plaintext of an answer to exactly that request; throws `envelope_invalid` otherwise. */
export async function openAnswer(key: CryptoKey, about: AnswerAad, answer: unknown): Promise<Bytes> {
  const { sealed, aad } = parseAnswer(answer);
  const plaintext = await openGcm(key, sealed, aad);
  checkAnswerAad(aad, about);
  return plaintext;
}
