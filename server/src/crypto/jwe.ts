import {
  constants,
  createCipheriv,
  createDecipheriv,
  type KeyObject,
  publicEncrypt,
  randomBytes,
  type webcrypto,
} from "node:crypto";
import { decodeBase64url } from "./base64url.ts";
import { encodeText, hasExactly, readHeader } from "./jws.ts";
import { agreeFrom, agreeWith, concatKdf } from "./key-agreement.ts";
import type { Curve, EncryptionAlgorithmName } from "./key-algorithms.ts";

const CEK_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;
/** RFC 3394 section 2.2.3.1. */
const KEY_WRAP_IV = Buffer.alloc(8, 0xa6);
/** Two blocks of key data and the check. OpenSSL makes nothing of nothing without a complaint. */
const SHORTEST_WRAPPED_BYTES = 24;
const NOBODY = Buffer.alloc(0);

export type EncryptionKey = { kid: string; alg: EncryptionAlgorithmName; crv: Curve | undefined; publicKey: KeyObject };
export type DecryptionKey = EncryptionKey & {
  privateKey: KeyObject;
  /** The same key for WebCrypto, of an RSA key: its decryption leaves the event loop. */
  webKey: webcrypto.CryptoKey | undefined;
};

type KeyManagement = {
  /** Members of the header beside `alg`, `enc`, `cty` and `kid`. */
  headerMembers: string[];
  wrap(key: EncryptionKey, cek: Buffer): { encryptedKey: Buffer; header: Record<string, unknown> };
  unwrap(key: DecryptionKey, encryptedKey: Buffer, header: Record<string, unknown>): Promise<Buffer | undefined>;
};

const ALGORITHMS: Record<EncryptionAlgorithmName, KeyManagement> = {
  "ECDH-ES+A256KW": {
    headerMembers: ["epk"],
    wrap(key, cek) {
      const { epk, sharedSecret } = agreeWith(key.publicKey, key.crv ?? "X25519");
      const kek = concatKdf(sharedSecret, key.alg, { apu: NOBODY, apv: NOBODY });
      return { encryptedKey: wrapKey(kek, cek), header: { epk } };
    },
    async unwrap(key, encryptedKey, header) {
      const sharedSecret = agreeFrom(key.privateKey, key.crv ?? "X25519", header["epk"]);
      if (sharedSecret === undefined) return undefined;
      return unwrapKey(concatKdf(sharedSecret, key.alg, { apu: NOBODY, apv: NOBODY }), encryptedKey);
    },
  },
  "RSA-OAEP-256": {
    headerMembers: [],
    wrap(key, cek) {
      const padding = constants.RSA_PKCS1_OAEP_PADDING;
      return { encryptedKey: publicEncrypt({ key: key.publicKey, padding, oaepHash: "sha256" }, cek), header: {} };
    },
    async unwrap(key, encryptedKey) {
      if (key.webKey === undefined) return undefined;
      try {
        return Buffer.from(await globalThis.crypto.subtle.decrypt("RSA-OAEP", key.webKey, encryptedKey));
      } catch {
        return undefined;
      }
    },
  },
};

/** Encrypts a nested JWS with A256GCM as a JWE in compact form (RFC 7516 section 7.1, RFC 7519 section 5.2). */
export function encryptCompact(key: EncryptionKey, plaintext: string): string {
  const cek = randomBytes(CEK_BYTES);
  const { encryptedKey, header } = ALGORITHMS[key.alg].wrap(key, cek);
  const protectedPart = encodeText(
    JSON.stringify({ alg: key.alg, enc: "A256GCM", cty: "JWT", kid: key.kid, ...header }),
  );
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv("aes-256-gcm", cek, iv, { authTagLength: TAG_BYTES });
  cipher.setAAD(Buffer.from(protectedPart, "ascii"));
  const ciphertext = Buffer.concat([cipher.update(plaintext, "ascii"), cipher.final()]);
  const parts = [encryptedKey, iv, ciphertext, cipher.getAuthTag()].map((part) => part.toString("base64url"));
  return `${protectedPart}.${parts.join(".")}`;
}

/**
 * The plaintext of a JWE in compact form, or undefined when anything is wrong with it. The key says the algorithm; the header
 * holds the members that this server writes and no other. A key that does not unwrap is replaced by a random one: whichever
 * step failed, it is the tag that does not fit, at the same time (RFC 7516 section 11.5).
 */
export async function decryptCompact(
  findKey: (kid: string) => DecryptionKey | undefined,
  jwe: string,
): Promise<string | undefined> {
  const [protectedPart = "", ...encoded] = jwe.split(".");
  const header = readHeader(protectedPart);
  const [encryptedKey, iv, ciphertext, tag, ...rest] = encoded.map(decodeBase64url);
  if (header === undefined || encryptedKey === undefined || ciphertext === undefined || rest.length > 0)
    return undefined;
  if (iv?.length !== IV_BYTES || tag?.length !== TAG_BYTES || typeof header["kid"] !== "string") return undefined;

  const key = findKey(header["kid"]);
  if (key === undefined || header["alg"] !== key.alg || header["enc"] !== "A256GCM" || header["cty"] !== "JWT") {
    return undefined;
  }
  const management = ALGORITHMS[key.alg];
  if (!hasExactly(header, ["alg", "enc", "cty", "kid", ...management.headerMembers])) return undefined;

  const unwrapped = await management.unwrap(key, encryptedKey, header);
  const cek = unwrapped?.length === CEK_BYTES ? unwrapped : randomBytes(CEK_BYTES);
  const decipher = createDecipheriv("aes-256-gcm", cek, iv, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(protectedPart, "ascii"));
  decipher.setAuthTag(tag);
  const opened = decipher.update(ciphertext);
  try {
    return Buffer.concat([opened, decipher.final()]).toString("latin1");
  } catch {
    return undefined;
  }
}

/** AES key wrap, RFC 3394. */
export function wrapKey(kek: Buffer, key: Buffer): Buffer {
  const cipher = createCipheriv("id-aes256-wrap", kek, KEY_WRAP_IV);
  return Buffer.concat([cipher.update(key), cipher.final()]);
}

/** Undefined when the wrapped key does not fit the wrapping key. */
export function unwrapKey(kek: Buffer, wrapped: Buffer): Buffer | undefined {
  if (wrapped.length < SHORTEST_WRAPPED_BYTES) return undefined;
  try {
    const decipher = createDecipheriv("id-aes256-wrap", kek, KEY_WRAP_IV);
    return Buffer.concat([decipher.update(wrapped), decipher.final()]);
  } catch {
    return undefined;
  }
}
