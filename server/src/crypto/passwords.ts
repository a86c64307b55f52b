import { createHmac, randomBytes } from "node:crypto";
import { AuthError } from "../domain/errors.ts";
import { normalizePassword } from "../domain/password-policy.ts";
import type { PasswordHasher } from "../service/ports.ts";
import { isWholeHash, parseForeignHash } from "./foreign-hashes.ts";
import { assertAffordable, type HashBounds, hashBounds } from "./hash-cost.ts";
import type { HashPool } from "./hash-pool.ts";

export type PasswordSettings = { memoryKib: number; passes: number; pepper: string | undefined };

/** Before a PHC string whose password was mixed with the pepper first. */
const PEPPERED = "hmac-sha256";
const BCRYPT = /^\$2[aby]\$/;
/** bcrypt looks at no more: of a longer password it would accept any other end, which would then be stored. */
const BCRYPT_MAX_BYTES = 72;
/** RFC 9106 section 3.1 recommends it. */
const SALT_BYTES = 16;
const KEY_BYTES = 32;
/** RFC 9106 section 3.1: eight blocks of a kibibyte for each lane. */
const MIN_MEMORY_KIB = 8;
/** The parameters of a key, written as those of a hash. One lane: that is all that is ever written. */
const DERIVATION = /^\$argon2id\$v=19\$m=(\d{1,10}),t=(\d{1,10}),p=1\$$/;
const NO_PEPPER = "a password was hashed with a pepper, and PASSWORD_PEPPER is not set";
const MAX_HASH_LENGTH = 512;
const FOREIGN_RULE =
  "must be a whole argon2, scrypt or PBKDF2 hash in PHC form or passlib's, a PBKDF2 hash of Django, or a bcrypt hash";

/**
 * Argon2id (RFC 9106) over the NFKC form of a password, mixed with the pepper by HMAC-SHA256 where one is configured. Hashes
 * without the pepper still verify, and so do bcrypt, scrypt and PBKDF2 hashes of others, over the text as it was typed; all are
 * outdated.
 */
export function createPasswordHasher(pool: HashPool, settings: PasswordSettings): PasswordHasher {
  const { memoryKib, passes } = settings;
  const parameters = `$argon2id$v=19$m=${memoryKib},t=${passes},p=1$`;
  const bounds = hashBounds(settings);
  const current = (settings.pepper === undefined ? "" : PEPPERED) + parameters;
  const nobodys = current + [randomBytes(16), randomBytes(32)].map(unpaddedBase64).join("$");

  const material = (password: string, peppered: boolean): Uint8Array => {
    const normal = Buffer.from(normalizePassword(password), "utf8");
    if (!peppered) return normal;
    // As text: one of the engines takes only UTF-8 for a password.
    return Buffer.from(
      createHmac("sha256", settings.pepper ?? "")
        .update(normal)
        .digest("base64"),
      "ascii",
    );
  };

  let admitted = 0;

  return {
    async admit(work) {
      if (admitted >= pool.capacity) throw new AuthError("overloaded", { retryAfterS: 1 });
      admitted++;
      try {
        return await work();
      } finally {
        admitted--;
      }
    },

    async hash(password, signal) {
      const peppered = settings.pepper !== undefined;
      const phc = await pool.run({ kind: "hash", password: material(password, peppered), memoryKib, passes }, signal);
      return (peppered ? PEPPERED : "") + phc;
    },

    async verify(hash = nobodys, password, signal) {
      const peppered = hash.startsWith(PEPPERED);
      const phc = peppered ? hash.slice(PEPPERED.length) : hash;
      assertAffordable(phc, bounds);
      if (BCRYPT.test(hash)) {
        const matches = await pool.run({ kind: "verify-bcrypt", hash, password }, signal);
        return matches === true && Buffer.byteLength(password, "utf8") <= BCRYPT_MAX_BYTES;
      }
      const foreign = peppered ? undefined : parseForeignHash(hash);
      if (foreign !== undefined)
        return (await pool.run({ kind: "verify-foreign", hash: foreign, password }, signal)) === true;
      if (peppered && settings.pepper === undefined) {
        throw new Error(NO_PEPPER);
      }
      return (await pool.run({ kind: "verify", hash: phc, password: material(password, peppered) }, signal)) === true;
    },

    isOutdated: (hash) => !hash.startsWith(current),

    newDerivation: () => ({ kdf: current, salt: randomBytes(SALT_BYTES) }),

    isDerivation({ kdf, salt }) {
      const phc = kdf.startsWith(PEPPERED) ? kdf.slice(PEPPERED.length) : kdf;
      const [, m, t] = (DERIVATION.exec(phc) ?? []).map(Number);
      if (m === undefined || t === undefined || salt.length !== SALT_BYTES) return false;
      return m >= MIN_MEMORY_KIB && t >= 1 && isAffordable(phc, bounds);
    },

    async deriveKey(password, { kdf, salt }, signal) {
      const peppered = kdf.startsWith(PEPPERED);
      const [, m, t] = DERIVATION.exec(peppered ? kdf.slice(PEPPERED.length) : kdf) ?? [];
      if (m === undefined || t === undefined) throw new Error("a stored key derivation is not argon2id");
      assertAffordable(kdf.slice(peppered ? PEPPERED.length : 0), bounds);
      if (peppered && settings.pepper === undefined) throw new Error(NO_PEPPER);
      const task = { password: material(password, peppered), salt, memoryKib: Number(m), passes: Number(t) };
      const derived = pool.run({ kind: "derive", ...task }, signal);
      const key = await derived.finally(() => task.password.fill(0));
      if (!(key instanceof Uint8Array) || key.length !== KEY_BYTES) throw new Error("argon2 derived no key");
      return Buffer.from(key.buffer, key.byteOffset, key.byteLength);
    },

    foreignHashProblem(hash) {
      if (hash.length > MAX_HASH_LENGTH) return FOREIGN_RULE;
      if (!isWholeHash(hash) && parseForeignHash(hash) === undefined) return FOREIGN_RULE;
      try {
        assertAffordable(hash, bounds);
        return undefined;
      } catch (error) {
        return (error as Error).message;
      }
    },
  };
}

function isAffordable(hash: string, bounds: HashBounds): boolean {
  try {
    assertAffordable(hash, bounds);
    return true;
  } catch {
    return false;
  }
}

function unpaddedBase64(bytes: Buffer): string {
  return bytes.toString("base64").replace(/=+$/, "");
}
