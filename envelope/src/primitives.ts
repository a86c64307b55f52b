import { contentKeyBytes, encryptGcm, importContentKey, openGcm } from "./aes-gcm.ts";
import type { Bytes } from "./bytes.ts";
import { type CurveName, curves } from "./curves.ts";
import { agree, importPoint } from "./ecdh.ts";
import type { GcmKey } from "./gcm-key.ts";
import { type HkdfInput, hkdfSha256 } from "./hkdf.ts";
import type { FrontJwk } from "./jwk.ts";

/**
 * What a server's end takes of a platform. The package has it on WebCrypto, each of whose operations is a trip to another
 * thread; a server may bring its own, synchronous or not. None of them keeps or changes the bytes it is given.
 */
export type Primitives = {
  /** AES-256-GCM under 32 bytes. */
  importKey(raw: Bytes): GcmKey | Promise<GcmKey>;
  /** RFC 5869, extract and expand. */
  hkdfSha256(secret: Bytes, input: HkdfInput): Bytes | Promise<Bytes>;
  /** RFC 2104. */
  hmacSha256(key: Bytes, data: Bytes): Bytes | Promise<Bytes>;
  /** The private half of a key agreement. */
  importAgreement(curve: CurveName, privateJwk: FrontJwk): Agreement | Promise<Agreement>;
};

/** The 32-byte shared secret with a raw public key; throws, or rejects, with anything, when it is no point of the curve. */
export type Agreement = (point: Bytes) => Bytes | Promise<Bytes>;

export const webCrypto: Primitives = {
  async importKey(raw) {
    const key = await importContentKey(raw);
    return {
      seal: (plaintext, { iv, additionalData }) => encryptGcm(key, plaintext, iv, additionalData),
      open: (ct, { iv, additionalData }) => openGcm(key, { iv, ct }, additionalData),
    };
  },
  hkdfSha256,
  async hmacSha256(raw, data) {
    const key = await crypto.subtle.importKey("raw", raw, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
    return new Uint8Array(await crypto.subtle.sign("HMAC", key, data));
  },
  async importAgreement(curveName, jwk) {
    const curve = curves[curveName];
    const usages: KeyUsage[] = ["deriveBits"];
    const key = await crypto.subtle.importKey("jwk", curve.privateMembers(jwk), curve.algorithm, false, usages);
    return async (point) => agree(curve, key, await importPoint(curve, point));
  },
};

/** Wraps the import so that no primitive is ever given a key of another length. */
export async function importGcmKey({ importKey }: Pick<Primitives, "importKey">, raw: Bytes): Promise<GcmKey> {
  if (raw.length !== contentKeyBytes) throw new RangeError("a content key has 32 bytes");
  return await importKey(raw);
}
