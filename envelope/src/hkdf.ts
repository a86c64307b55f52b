import type { Bytes } from "./bytes.ts";

export type HkdfInput = {
  readonly salt: Bytes;
  readonly info: Bytes;
  /** Bytes wanted, at most 8160. */
  readonly length: number;
};

/** HKDF with SHA-256 (RFC 5869), extract and expand. */
export async function hkdfSha256(secret: Bytes, { salt, info, length }: HkdfInput): Promise<Bytes> {
  const key = await crypto.subtle.importKey("raw", secret, "HKDF", false, ["deriveBits"]);
  return new Uint8Array(await crypto.subtle.deriveBits({ name: "HKDF", hash: "SHA-256", salt, info }, key, length * 8));
}
