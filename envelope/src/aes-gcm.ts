import { type Bytes, randomBytes } from "./bytes.ts";
import { EnvelopeError } from "./errors.ts";

/** AES-256-GCM as in RFC 7518 section 5.3; WebCrypto alone would also take shorter keys, other IVs and shorter tags. */
export const contentKeyBytes = 32;
export const ivBytes = 12;
export const tagBytes = 16;

/** The content key as a WebCrypto key that cannot be exported. Throws a RangeError unless it has 32 bytes. */
export async function importContentKey(raw: Bytes): Promise<CryptoKey> {
  if (raw.length !== contentKeyBytes) throw new RangeError("a content key has 32 bytes");
  return await crypto.subtle.importKey("raw", raw, "AES-GCM", false, ["encrypt", "decrypt"]);
}

export type Sealed = {
  readonly iv: Bytes;
  /** The ciphertext followed by the tag. */
  readonly ct: Bytes;
};

/** Seals under a fresh random IV. */
export async function sealGcm(key: CryptoKey, plaintext: Bytes, additionalData: Bytes): Promise<Sealed> {
  const iv = randomBytes(ivBytes);
  return { iv, ct: await encryptGcm(key, plaintext, iv, additionalData) };
}

/** The ciphertext and its tag, under an IV that the caller has used with this key for nothing else. */
export async function encryptGcm(key: CryptoKey, plaintext: Bytes, iv: Bytes, additionalData: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.encrypt(gcm(iv, additionalData), key, plaintext));
}

/** The authenticated plaintext; throws `envelope_invalid` when anything at all is wrong. */
export async function openGcm(key: CryptoKey, { iv, ct }: Sealed, additionalData: Bytes): Promise<Bytes> {
  try {
    return new Uint8Array(await crypto.subtle.decrypt(gcm(iv, additionalData), key, ct));
  } catch {
    throw new EnvelopeError("envelope_invalid");
  }
}

function gcm(iv: Bytes, additionalData: Bytes): AesGcmParams {
  return { name: "AES-GCM", iv, additionalData, tagLength: tagBytes * 8 };
}
