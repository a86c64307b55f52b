import {
  createHash,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
} from "node:crypto";
import { decodeBase64url } from "./base64url.ts";
import { hasExactly } from "./jws.ts";
import type { Curve } from "./key-algorithms.ts";

type EphemeralKeys = { publicKey: JsonWebKey; privateKey: KeyObject };
type CurveShape = { members: string[]; kty: string; generate(): EphemeralKeys };

/**
 * The job that makes a key also encodes it. To export a key object that was just made can stop the process for good: Node 20
 * holds the key's lock while it allocates, and a garbage collection at that moment waits for the same lock. The types of Node
 * do not know that a key pair can be encoded as a JWK.
 */
const encodings = { publicKeyEncoding: { format: "jwk" } } as unknown as object;

const CURVES: Record<Curve, CurveShape> = {
  X25519: {
    members: ["kty", "crv", "x"],
    kty: "OKP",
    generate: () => generateKeyPairSync("x25519", encodings) as unknown as EphemeralKeys,
  },
  "P-256": {
    members: ["kty", "crv", "x", "y"],
    kty: "EC",
    generate: () => generateKeyPairSync("ec", { namedCurve: "P-256", ...encodings }) as unknown as EphemeralKeys,
  },
};

const COORDINATE_BYTES = 32;

export type EphemeralAgreement = { epk: Record<string, unknown>; sharedSecret: Buffer };

/** Agrees with a public key by a fresh ephemeral one (RFC 7518 section 4.6). */
export function agreeWith(publicKey: KeyObject, crv: Curve): EphemeralAgreement {
  const ephemeral = CURVES[crv].generate();
  return {
    epk: { ...ephemeral.publicKey },
    sharedSecret: diffieHellman({ privateKey: ephemeral.privateKey, publicKey }),
  };
}

/**
 * The secret shared with the sender of an ephemeral key, or undefined when the key is not a public point of exactly this
 * curve. OpenSSL refuses points off the curve, and low-order X25519 points whose secret would be all zero.
 */
export function agreeFrom(privateKey: KeyObject, crv: Curve, epk: unknown): Buffer | undefined {
  const shape = CURVES[crv];
  if (typeof epk !== "object" || epk === null || !hasExactly(epk as Record<string, unknown>, shape.members))
    return undefined;
  const jwk = epk as Record<string, unknown>;
  if (jwk["kty"] !== shape.kty || jwk["crv"] !== crv || !isCoordinate(jwk["x"])) return undefined;
  if (shape.members.includes("y") && !isCoordinate(jwk["y"])) return undefined;
  try {
    return diffieHellman({ privateKey, publicKey: createPublicKey({ key: jwk, format: "jwk" }) });
  } catch {
    return undefined;
  }
}

export type KdfInfo = { apu: Buffer; apv: Buffer; keyBits?: 128 | 256 };

/** The Concat KDF of RFC 7518 section 4.6.2, for a 256-bit key unless `keyBits` says another: one round of SHA-256. */
export function concatKdf(sharedSecret: Buffer, algorithm: string, info: KdfInfo): Buffer {
  const { apu, apv, keyBits = 256 } = info;
  const round = createHash("sha256")
    .update(uint32(1))
    .update(sharedSecret)
    .update(lengthPrefixed(Buffer.from(algorithm, "ascii")))
    .update(lengthPrefixed(apu))
    .update(lengthPrefixed(apv))
    .update(uint32(keyBits))
    .digest();
  return round.subarray(0, keyBits / 8);
}

function isCoordinate(value: unknown): boolean {
  return typeof value === "string" && decodeBase64url(value)?.length === COORDINATE_BYTES;
}

function lengthPrefixed(bytes: Buffer): Buffer {
  return Buffer.concat([uint32(bytes.length), bytes]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
