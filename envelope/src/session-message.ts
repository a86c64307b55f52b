import { ivBytes } from "./aes-gcm.ts";
import { encodeBase64url } from "./base64url.ts";
import { type Bytes, messageBytes, randomBytes, utf8 } from "./bytes.ts";
import type { Direction } from "./channel-keys.ts";
import { EnvelopeError } from "./errors.ts";
import type { GcmKey } from "./gcm-key.ts";
import type { ParsedSessionEnvelope, SessionEnvelope } from "./session-envelope.ts";

/** What a message is: nothing of it is sent that is not also authenticated. */
export type MessageName = {
  readonly direction: Direction;
  readonly sid: string;
  readonly n: number;
  /** The call: its RPC path or its route path, as called. */
  readonly binding: string;
};

/** `sello/1|c2s|<sid>|<n>|<binding>`. Only the binding may hold a bar, and it comes last, so no two names give one text. */
export function messageAad({ direction, sid, n, binding }: MessageName): Bytes {
  return utf8(`sello/1|${direction}|${sid}|${n}|${binding}`);
}

/** Seals under a fresh random IV, also when the same name is sealed again. */
export async function sealMessage(
  key: GcmKey,
  name: MessageName,
  plaintext: Uint8Array | string,
): Promise<SessionEnvelope> {
  const iv = randomBytes(ivBytes);
  const ct = await key.seal(messageBytes(plaintext), { iv, additionalData: messageAad(name) });
  return { sid: name.sid, n: name.n, iv: encodeBase64url(iv), ct: encodeBase64url(ct) };
}

/** The plaintext of the message of exactly that name; throws `envelope_invalid` when anything at all is wrong. */
export async function openMessage(
  key: GcmKey,
  name: MessageName,
  { sid, n, sealed: { iv, ct } }: ParsedSessionEnvelope,
): Promise<Uint8Array> {
  if (sid !== name.sid || n !== name.n) throw new EnvelopeError("envelope_invalid");
  try {
    return await key.open(ct, { iv, additionalData: messageAad(name) });
  } catch {
    throw new EnvelopeError("envelope_invalid");
  }
}
