import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync } from "node:crypto";
import type { ChannelPrimitives } from "../../src/channel-keys.ts";

/** A channel on node:crypto, synchronous: what a server may bring instead of WebCrypto. */
export const nodeChannel: ChannelPrimitives = {
  hkdfSha256: (secret, { salt, info, length }) => new Uint8Array(hkdfSync("sha256", secret, salt, info, length)),
  importKey(raw) {
    const key = createSecretKey(raw);
    return {
      seal(plaintext, { iv, additionalData }) {
        const cipher = createCipheriv("aes-256-gcm", key, iv, { authTagLength: 16 }).setAAD(additionalData);
        return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
      },
      open(ct, { iv, additionalData }) {
        const decipher = createDecipheriv("aes-256-gcm", key, iv, { authTagLength: 16 }).setAAD(additionalData);
        decipher.setAuthTag(ct.subarray(-16));
        return Buffer.concat([decipher.update(ct.subarray(0, -16)), decipher.final()]);
      },
    };
  },
};
