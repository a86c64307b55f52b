import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from "node:crypto";
import type { RefreshSecret, RefreshTokens } from "../service/token-ports.ts";
import { decodeBase64url } from "./base64url.ts";

const PREFIX = "rt_";
const SECRET_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Opaque refresh tokens: `rt_` and 32 random bytes in base64url. Only the SHA-256 of one is ever stored; with 256 bits of
 * randomness a fast hash is enough. A successor is sealed with AES-256-GCM under HKDF-SHA256 (RFC 5869) of the old token:
 * the database holds nothing that yields either.
 */
export const refreshTokens: RefreshTokens = {
  create() {
    return refreshSecret(PREFIX + randomBytes(SECRET_BYTES).toString("base64url"));
  },

  parse(token) {
    if (!token.startsWith(PREFIX)) return undefined;
    const secret = decodeBase64url(token.slice(PREFIX.length));
    return secret?.length === SECRET_BYTES ? refreshSecret(token) : undefined;
  },

  sealSuccessor(old, successor) {
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv("aes-256-gcm", successorKey(old), iv, { authTagLength: TAG_BYTES });
    cipher.setAAD(old.hash);
    return Buffer.concat([iv, cipher.update(successor.token, "utf8"), cipher.final(), cipher.getAuthTag()]);
  },

  openSuccessor(old, sealed) {
    const iv = sealed.subarray(0, IV_BYTES);
    const decipher = createDecipheriv("aes-256-gcm", successorKey(old), iv, { authTagLength: TAG_BYTES });
    decipher.setAAD(old.hash);
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
    const opened = [decipher.update(sealed.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()];
    return Buffer.concat(opened).toString("utf8");
  },
};

function refreshSecret(token: string): RefreshSecret {
  return { token, hash: createHash("sha256").update(token).digest() };
}

function successorKey(old: RefreshSecret): Buffer {
  return Buffer.from(hkdfSync("sha256", old.token, "", "sello/1 refresh successor", 32));
}
