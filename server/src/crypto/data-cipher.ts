import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import type { DataCipher, Place } from "../service/user-data-ports.ts";

/** NIST SP 800-38D: with random IVs of 96 bits, one key is good for 2^32 messages. */
const IV_BYTES = 12;
const TAG_BYTES = 16;
const FORM = "sello/1 user data";

/** `iv‖ciphertext‖tag`, AES-256-GCM, bound to user, purpose and version. */
export function createDataCipher(randomIv: () => Buffer = () => randomBytes(IV_BYTES)): DataCipher {
  return {
    seal(key, plaintext, place) {
      const iv = randomIv();
      const cipher = createCipheriv("aes-256-gcm", key, iv, { authTagLength: TAG_BYTES });
      cipher.setAAD(additionalData(place));
      return Buffer.concat([iv, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    },

    open(key, sealed, place) {
      if (sealed.length < IV_BYTES + TAG_BYTES) return undefined;
      const options = { authTagLength: TAG_BYTES };
      const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, IV_BYTES), options);
      decipher.setAAD(additionalData(place));
      decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
      const opened = decipher.update(sealed.subarray(IV_BYTES, -TAG_BYTES));
      try {
        return Buffer.concat([opened, decipher.final()]);
      } catch {
        opened.fill(0);
        return undefined;
      }
    },
  };
}

/** Each part behind its length in four bytes: no two lists of parts read the same. */
function additionalData({ userId, purpose, version }: Place): Buffer {
  return Buffer.concat(
    [FORM, userId, purpose, String(version)].flatMap((part) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(Buffer.byteLength(part));
      return [length, Buffer.from(part)];
    }),
  );
}
