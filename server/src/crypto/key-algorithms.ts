import { generateKeyPair, type JsonWebKey } from "node:crypto";
import { promisify } from "node:util";

const generate = promisify(generateKeyPair);

export type KeyUse = "sig" | "enc" | "enc_front";
export type Curve = "P-256" | "X25519";
export type SignatureAlgorithmName = "ES256" | "RS256" | "PS256" | "EdDSA";
export type EncryptionAlgorithmName = "ECDH-ES+A256KW" | "RSA-OAEP-256";
export type FrontAlgorithmName = "RSA-OAEP-256" | "ECDH-ES";
export type KeyAlgorithm = SignatureAlgorithmName | EncryptionAlgorithmName | FrontAlgorithmName;

/** A key that the configuration asks for. There is one active key a slot. */
export type KeySlot = { use: KeyUse; alg: KeyAlgorithm; crv?: Curve; rsaBits?: 2048 | 3072 | 4096 };

/**
 * A new private key for a slot, as a JWK. The slow RSA search runs outside the event loop. The job that makes the key encodes
 * it too (`key-agreement.ts` says why).
 */
export async function generatePrivateJwk(slot: KeySlot): Promise<JsonWebKey> {
  return (await GENERATORS[slot.alg](slot)).privateKey as unknown as JsonWebKey;
}

type Generator = (slot: KeySlot) => Promise<{ privateKey: unknown }>;

const encodings = { publicKeyEncoding: { format: "jwk" }, privateKeyEncoding: { format: "jwk" } } as unknown as object;
const rsa: Generator = (slot) => generate("rsa", { modulusLength: slot.rsaBits ?? 3072, ...encodings });
const p256: Generator = () => generate("ec", { namedCurve: "P-256", ...encodings });
const agreement: Generator = (slot) => (slot.crv === "P-256" ? p256(slot) : generate("x25519", encodings));

const GENERATORS: Record<KeyAlgorithm, Generator> = {
  ES256: p256,
  RS256: rsa,
  PS256: rsa,
  EdDSA: () => generate("ed25519", encodings),
  "ECDH-ES+A256KW": agreement,
  "RSA-OAEP-256": rsa,
  "ECDH-ES": agreement,
};
