import { createCipheriv, createDecipheriv, hkdfSync } from "node:crypto";
import type { DeriveChannelKey } from "../../src/index.ts";

/** A channel's keys on node:crypto, synchronous: what a server may bring instead of WebCrypto. */
export const deriveWithNode: DeriveChannelKey = (root, { salt, info }) => {
  const raw = new Uint8Array(hkdfSync("sha256", root, salt, info, 32));
  return {
    seal(plaintext, { iv, additionalData }) {
      const cipher = createCipheriv("aes-256-gcm", raw, iv, { authTagLength: 16 }).setAAD(additionalData);
      return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    },
    open(ct, { iv, additionalData }) {
      const decipher = createDecipheriv("aes-256-gcm", raw, iv, { authTagLength: 16 }).setAAD(additionalData);
      decipher.setAuthTag(ct.subarray(-16));
      return Buffer.concat([decipher.update(ct.subarray(0, -16)), decipher.final()]);
    },
  };
};
