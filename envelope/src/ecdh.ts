import type { Bytes } from "./bytes.ts";
import type { Curve } from "./curves.ts";
import { EnvelopeError } from "./errors.ts";

/** A private key that cannot be exported, and its public point. */
export type EphemeralPair = { readonly privateKey: CryptoKey; readonly point: Bytes };

export async function generatePair({ algorithm }: Curve): Promise<EphemeralPair> {
  const pair = (await crypto.subtle.generateKey(algorithm, false, ["deriveBits"])) as CryptoKeyPair;
  return { privateKey: pair.privateKey, point: new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey)) };
}

/**
 * The 32-byte shared secret with a point that somebody sent; throws `envelope_invalid` when there is none. A point off the
 * curve fails at the import, one of small order at the agreement: both are the sender's doing.
 */
export async function agreeWithStranger(curve: Curve, privateKey: CryptoKey, point: Bytes): Promise<Bytes> {
  try {
    return await agree(curve, privateKey, await importPoint(curve, point));
  } catch {
    throw new EnvelopeError("envelope_invalid");
  }
}

/** The 32-byte shared secret: the x coordinate on P-256, the output of X25519. Rejects when it is zero. */
export async function agree({ algorithm }: Curve, privateKey: CryptoKey, publicKey: CryptoKey): Promise<Bytes> {
  const parameters = { name: algorithm.name, public: publicKey };
  const shared = new Uint8Array(await crypto.subtle.deriveBits(parameters, privateKey, 256));
  // RFC 7748 section 6.1. WebCrypto checks too; a polyfill or an old browser may not.
  if (shared.every((byte) => byte === 0)) throw new RangeError("the shared secret is zero");
  return shared;
}

export async function importPoint({ algorithm }: Curve, point: Bytes): Promise<CryptoKey> {
  return await crypto.subtle.importKey("raw", point, algorithm, false, []);
}
