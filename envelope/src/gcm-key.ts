import type { Bytes } from "./bytes.ts";

/** A key of AES-256-GCM with 12-byte IVs and 16-byte tags, which nothing lets out. */
export type GcmKey = {
  /** The ciphertext followed by the tag. */
  seal(plaintext: Bytes, input: GcmInput): Uint8Array | Promise<Uint8Array>;
  /** The plaintext of such a ciphertext; throws or rejects, with anything, unless it is authentic as a whole. */
  open(ct: Bytes, input: GcmInput): Uint8Array | Promise<Uint8Array>;
};

export type GcmInput = { readonly iv: Bytes; readonly additionalData: Bytes };
