import { createHash, randomBytes } from "node:crypto";
import type { MfaSecrets } from "../service/mfa-ports.ts";

const PREFIX = "mfa_";
const CHALLENGE_BYTES = 32;

const RECOVERY_CODES = 10;
/** 80 bits: nobody finds one from its SHA-256, and a hash made to be slow would only slow the server. */
const RECOVERY_BYTES = 10;
/** Crockford's base32: no letter looks like a digit, and those that are typed in their place are read as what was meant. */
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const MISREAD: Record<string, string> = { O: "0", I: "1", L: "1" };
const RECOVERY_FORM = new RegExp(`^[${ALPHABET}]{16}$`);

export const mfaSecrets: MfaSecrets = {
  newChallenge() {
    const token = PREFIX + randomBytes(CHALLENGE_BYTES).toString("base64url");
    return { token, hash: sha256(token) };
  },

  // Whatever the text: what is none costs a look-up too.
  challengeHash: sha256,

  newRecoveryCodes() {
    return Array.from({ length: RECOVERY_CODES }, () => {
      const code = base32(randomBytes(RECOVERY_BYTES));
      return { code: (code.match(/.{4}/g) ?? []).join("-"), hash: sha256(code) };
    });
  },

  recoveryCodeHash(text) {
    const bare = text.toUpperCase().replaceAll(/[\s-]/g, "");
    const code = bare.replaceAll(/[OIL]/g, (letter) => MISREAD[letter] ?? letter);
    return RECOVERY_FORM.test(code) ? sha256(code) : undefined;
  },
};

/** Five bits a letter, from the first bit on. The length is a multiple of five bytes. */
function base32(bytes: Buffer): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  return (bits.match(/.{5}/g) ?? []).map((group) => ALPHABET[Number.parseInt(group, 2)]).join("");
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
