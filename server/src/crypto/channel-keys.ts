import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync } from "node:crypto";
import type { DeriveChannelKey } from "@sello/envelope";

/** RFC 7518 section 5.3. Node would take tags from 4 bytes on. */
const ALGORITHM = "aes-256-gcm";
const TAG_BYTES = 16;
const OPTIONS = { authTagLength: TAG_BYTES } as const;
const KEY_BYTES = 32;

/** The keys of channels on `node:crypto`: a message is a few kilobytes, and costs less than WebCrypto's hop to another thread. */
export const deriveChannelKey: DeriveChannelKey = (root, { salt, info }) => {
  const key = createSecretKey(new Uint8Array(hkdfSync("sha256", root, salt, info, KEY_BYTES)));
  return {
    seal(plaintext, { iv, additionalData }) {
      const cipher = createCipheriv(ALGORITHM, key, iv, OPTIONS).setAAD(additionalData);
      return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    },
    open(ct, { iv, additionalData }) {
      const decipher = createDecipheriv(ALGORITHM, key, iv, OPTIONS).setAAD(additionalData);
      decipher.setAuthTag(ct.subarray(ct.length - TAG_BYTES));
      const opened = decipher.update(ct.subarray(0, ct.length - TAG_BYTES));
      // Nothing leaves before the tag was checked.
      return Buffer.concat([opened, decipher.final()]);
    },
  };
};
