import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import type { WrapContext } from "../service/ports.ts";

export type MasterKey = { id: string; key: Buffer };
/** A wrapped secret, taken apart. */
export type Wrapped = { keyId: string; sealed: Buffer };

export const MASTER_KEY_BYTES = 32;
/** NIST SP 800-38D: with random IVs of 96 bits, one key is good for 2^32 wraps. */
const IV_BYTES = 12;
const TAG_BYTES = 16;
const VERSION = "kms1";
const FORM = /^kms1\.([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]+)$/;

/** `kms1.<key id>.<base64url(iv‖ciphertext‖tag)>`: AES-256-GCM, bound to the key's id and the context. */
export function wrapSecret(
  master: MasterKey,
  secret: Uint8Array,
  { context, iv = randomBytes(IV_BYTES) }: { context: WrapContext; iv?: Uint8Array },
): string {
  const cipher = createCipheriv("aes-256-gcm", master.key, iv, { authTagLength: TAG_BYTES });
  cipher.setAAD(additionalData(master.id, context));
  const sealed = Buffer.concat([iv, cipher.update(secret), cipher.final(), cipher.getAuthTag()]);
  return `${VERSION}.${master.id}.${sealed.toString("base64url")}`;
}

/** Undefined unless the text is the one form of a wrapped secret: no other spelling of the same bytes is read. */
export function parseWrapped(text: string): Wrapped | undefined {
  const [, keyId, encoded] = FORM.exec(text) ?? [];
  if (keyId === undefined || encoded === undefined) return undefined;
  const sealed = Buffer.from(encoded, "base64url");
  if (sealed.toString("base64url") !== encoded || sealed.length < IV_BYTES + TAG_BYTES) return undefined;
  return { keyId, sealed };
}

/** Undefined when it does not open under this key in this context, whatever the cause. */
export function unwrapSecret(master: MasterKey, sealed: Buffer, context: WrapContext): Buffer | undefined {
  const iv = sealed.subarray(0, IV_BYTES);
  const decipher = createDecipheriv("aes-256-gcm", master.key, iv, { authTagLength: TAG_BYTES });
  decipher.setAAD(additionalData(master.id, context));
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
  const opened = decipher.update(sealed.subarray(IV_BYTES, -TAG_BYTES));
  try {
    return Buffer.concat([opened, decipher.final()]);
  } catch {
    return undefined;
  }
}

function additionalData(keyId: string, { purpose, subject }: WrapContext): Buffer {
  return lengthPrefixed([VERSION, keyId, purpose, subject]);
}

/** Each part behind its length in four bytes: no two lists of parts read the same. */
export function lengthPrefixed(parts: string[]): Buffer {
  return Buffer.concat(
    parts.flatMap((part) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(Buffer.byteLength(part));
      return [length, Buffer.from(part)];
    }),
  );
}
