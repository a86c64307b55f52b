import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import type { Authority, WrappedUserKey } from "./authority.ts";
import { AuthError } from "./errors.ts";

/** Wraps user keys with a master key of this process, for one user and one purpose. */
export function createTestKms(reach: () => void): Pick<Authority, "createUserKey" | "decryptKey"> {
  const master = randomBytes(32);
  const options = { authTagLength: 16 } as const;
  const aadOf = ({ userId, purpose }: Omit<WrappedUserKey, "wrappedKey">) => Buffer.from(`${userId}|${purpose}`);
  return {
    async createUserKey(userId, purpose) {
      reach();
      if (!UUID.test(userId) || !PURPOSE.test(purpose)) throw new AuthError("validation_failed");
      const [key, iv] = [randomBytes(32), randomBytes(12)];
      const cipher = createCipheriv("aes-256-gcm", master, iv, options).setAAD(aadOf({ userId, purpose }));
      const wrapped = Buffer.concat([iv, cipher.update(key), cipher.final(), cipher.getAuthTag()]);
      return { key: new Uint8Array(key), wrappedKey: wrapped.toString("base64url") };
    },

    async decryptKey({ wrappedKey, ...about }) {
      reach();
      const wrapped = Buffer.from(wrappedKey, "base64url");
      try {
        const decipher = createDecipheriv("aes-256-gcm", master, wrapped.subarray(0, 12), options);
        decipher.setAAD(aadOf(about)).setAuthTag(wrapped.subarray(-16));
        const key = Buffer.concat([decipher.update(wrapped.subarray(12, -16)), decipher.final()]);
        return { key: new Uint8Array(key) };
      } catch (cause) {
        throw new AuthError("validation_failed", { cause });
      }
    },
  };
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const PURPOSE = /^[a-z0-9._-]{1,64}$/;
