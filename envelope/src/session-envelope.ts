import type { Sealed } from "./aes-gcm.ts";
import { binaryOfLength, parseCiphertext } from "./envelope.ts";
import { EnvelopeError } from "./errors.ts";
import { membersOf } from "./json.ts";

/** A message of a channel, or the answer to one: the value of `__session_enc__`. Binary members are base64url. */
export type SessionEnvelope = {
  /** The channel: 16 bytes. */
  sid: string;
  /** The message, from 1 to `maxMessages`; its answer has the same. */
  n: number;
  /** 12 bytes. */
  iv: string;
  /** The ciphertext followed by the 16-byte tag. */
  ct: string;
};

/** A message whose shape is right, and of which nothing is authentic yet. */
export type ParsedSessionEnvelope = { readonly sid: string; readonly n: number; readonly sealed: Sealed };

export const sidBytes = 16;

/** How many messages a channel carries: far fewer than random IVs allow (NIST SP 800-38D section 8.3: 2^32). */
export const maxMessages = 2 ** 20;

/** Checks the shape of a message or of an answer and decodes it. Members it does not know are ignored. Throws `envelope_invalid`. */
export function parseSessionEnvelope(input: unknown): ParsedSessionEnvelope {
  const members = membersOf(input);
  const { n } = members;
  if (!isMessageNumber(n)) throw new EnvelopeError("envelope_invalid");
  return { sid: readSid(members["sid"]), n, sealed: parseCiphertext(members) };
}

/** The text of a channel's id; throws `envelope_invalid` unless it spells 16 bytes. */
export function readSid(sid: unknown): string {
  binaryOfLength(sid, sidBytes);
  return sid as string;
}

function isMessageNumber(n: unknown): n is number {
  return Number.isInteger(n) && (n as number) >= 1 && (n as number) <= maxMessages;
}
