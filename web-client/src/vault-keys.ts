import type { Bytes } from "@sello/envelope";
import type { Wrap } from "./vault-content.ts";

/** What a ciphertext of a vault is bound to: which part of it, and whose. */
export type VaultPart = "data" | "by passphrase" | "by recovery key";
export type Bound = { part: VaultPart; userId: string };

const aes: AesKeyAlgorithm = { name: "AES-GCM", length: 256 };
const wrapping: KeyUsage[] = ["wrapKey", "unwrapKey"];
const reading: KeyUsage[] = ["encrypt", "decrypt"];

export function random(length: number): Bytes {
  return crypto.getRandomValues(new Uint8Array(length));
}

/** The key that wraps under a passphrase, which is one text in its composed and its decomposed form. */
export async function keyOfPassphrase(passphrase: string, salt: Bytes, iterations: number): Promise<CryptoKey> {
  const bytes = new TextEncoder().encode(passphrase.normalize("NFKC"));
  const material = await crypto.subtle.importKey("raw", bytes, "PBKDF2", false, ["deriveKey"]);
  return crypto.subtle.deriveKey({ name: "PBKDF2", hash: "SHA-256", salt, iterations }, material, aes, false, wrapping);
}

/** The same for a recovery key: 256 random bits need no slow derivation. */
export async function keyOfRecovery(secret: Bytes): Promise<CryptoKey> {
  const material = await crypto.subtle.importKey("raw", secret, "HKDF", false, ["deriveKey"]);
  const info = new TextEncoder().encode("sello/1 vault recovery");
  const hkdf = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info };
  return crypto.subtle.deriveKey(hkdf, material, aes, false, wrapping);
}

/** A data key that can be wrapped, and so exported: for as long as that takes. */
export function newDataKey(): Promise<CryptoKey> {
  return crypto.subtle.generateKey(aes, true, reading);
}

export async function wrapDataKey(key: CryptoKey, under: CryptoKey, bound: Bound): Promise<Wrap> {
  const iv = random(12);
  return { iv, key: new Uint8Array(await crypto.subtle.wrapKey("raw", key, under, gcm(iv, bound))) };
}

/** Rejects when it is under another key. Without `extractable` no script can read the bytes of what it returns. */
export function unwrapDataKey(
  { iv, key }: Wrap,
  under: CryptoKey,
  { extractable, ...bound }: Bound & { extractable: boolean },
): Promise<CryptoKey> {
  return crypto.subtle.unwrapKey("raw", key, under, gcm(iv, bound), "AES-GCM", extractable, reading);
}

export async function sealData(key: CryptoKey, plaintext: Bytes, userId: string): Promise<{ iv: Bytes; ct: Bytes }> {
  const iv = random(12);
  const ct = await crypto.subtle.encrypt(gcm(iv, { part: "data", userId }), key, plaintext);
  return { iv, ct: new Uint8Array(ct) };
}

export async function openData(
  key: CryptoKey,
  { iv, ct }: { iv: Bytes; ct: Bytes },
  userId: string,
): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.decrypt(gcm(iv, { part: "data", userId }), key, ct));
}

function gcm(iv: Bytes, { part, userId }: Bound): AesGcmParams {
  const additionalData = new TextEncoder().encode(JSON.stringify(["sello/1 vault", part, userId]));
  return { name: "AES-GCM", iv, additionalData, tagLength: 128 };
}
