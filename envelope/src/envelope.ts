import { ivBytes, type Sealed, tagBytes } from "./aes-gcm.ts";
import { decodeBase64url, encodedLength } from "./base64url.ts";
import type { Bytes } from "./bytes.ts";
import { EnvelopeError } from "./errors.ts";
import { type Members, membersOf } from "./json.ts";

export type FrontAlg = "RSA-OAEP-256" | "ECDH-ES";

/** The sender's ephemeral public key as a JWK (RFC 7518 section 6.2.1, RFC 8037 section 2). */
export type EphemeralKey = { kty: string; crv: string; x: string; y?: string };

/** A sealed request, the value of `__front_enc__`. Every binary member is base64url without padding. */
export type FrontEnvelope = {
  kid: string;
  alg: FrontAlg;
  enc: "A256GCM";
  /** With `RSA-OAEP-256`: the 32-byte content key, encrypted. */
  cek?: string;
  /** With `ECDH-ES`: the sender's ephemeral public key. */
  epk?: EphemeralKey;
  /** 12 bytes. */
  iv: string;
  /** The ciphertext followed by the 16-byte tag. */
  ct: string;
  /** The additional data, see aad.ts. */
  aad?: string;
};

/** A sealed answer, under the key of its request. */
export type FrontAnswer = { enc: "A256GCM"; iv: string; ct: string; aad: string };

/** What carries the content key to its recipient: exactly one of the two, by the algorithm. */
export type Carrier = Pick<FrontEnvelope, "cek" | "epk">;

export type ParsedEnvelope = {
  readonly kid: string;
  readonly alg: FrontAlg;
  readonly carrier: Carrier;
  readonly sealed: Sealed;
  readonly aad: Bytes | undefined;
};

export const maxKidLength = 128;
export const maxAadBytes = 1024;

const carriers: Record<FrontAlg, (members: Members) => Carrier> = {
  "RSA-OAEP-256": ({ cek, epk }) => (typeof cek === "string" && epk === undefined ? { cek } : invalid()),
  "ECDH-ES": ({ cek, epk }) => (cek === undefined ? { epk: parseEphemeralKey(epk) } : invalid()),
};

/**
 * Checks the shape of a request's envelope and decodes it: types, lengths, spelling, and which members go together.
 * Members it does not know are ignored. Throws `envelope_invalid`.
 */
export function parseEnvelope(input: unknown): ParsedEnvelope {
  const members = membersOf(input);
  const { kid, alg } = members;
  if (typeof kid !== "string" || kid.length > maxKidLength || !isFrontAlg(alg)) invalid();
  return { kid, alg, carrier: carriers[alg](members), sealed: parseSealed(members), aad: parseAad(members["aad"]) };
}

/** The same for an answer, whose `aad` is not optional. */
export function parseAnswer(input: unknown): { sealed: Sealed; aad: Bytes } {
  const members = membersOf(input);
  return { sealed: parseSealed(members), aad: parseAad(members["aad"]) ?? invalid() };
}

/** The bytes of a member that must have exactly that many; throws `envelope_invalid`. */
export function binaryOfLength(value: unknown, byteLength: number): Bytes {
  if (typeof value !== "string" || value.length !== encodedLength(byteLength)) invalid();
  return decodeBase64url(value) ?? invalid();
}

/** The IV and the ciphertext of any sealed thing, which holds at least one byte; throws `envelope_invalid`. */
export function parseCiphertext({ iv, ct }: Members): Sealed {
  if (typeof ct !== "string" || ct.length <= encodedLength(tagBytes)) invalid();
  return { iv: binaryOfLength(iv, ivBytes), ct: decodeBase64url(ct) ?? invalid() };
}

function parseSealed(members: Members): Sealed {
  if (members["enc"] !== "A256GCM") invalid();
  return parseCiphertext(members);
}

function parseAad(aad: unknown): Bytes | undefined {
  if (aad === undefined) return undefined;
  if (typeof aad !== "string" || aad.length > encodedLength(maxAadBytes)) invalid();
  return decodeBase64url(aad) ?? invalid();
}

/** The shape of an ephemeral public key, without any private member; throws `envelope_invalid`. */
export function parseEphemeralKey(input: unknown): EphemeralKey {
  const members = membersOf(input);
  const { kty, crv, x, y } = members;
  if (typeof kty !== "string" || typeof crv !== "string" || typeof x !== "string" || "d" in members) invalid();
  if (y === undefined) return { kty, crv, x };
  return typeof y === "string" ? { kty, crv, x, y } : invalid();
}

function isFrontAlg(alg: unknown): alg is FrontAlg {
  return typeof alg === "string" && Object.hasOwn(carriers, alg);
}

function invalid(): never {
  throw new EnvelopeError("envelope_invalid");
}
