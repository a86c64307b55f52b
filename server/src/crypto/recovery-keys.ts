import { createHash, hkdfSync, randomBytes, timingSafeEqual } from "node:crypto";
import type { RecoveryKeys } from "../service/user-data-ports.ts";

/** Crockford's base32: no letter that looks like a digit. */
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LOOK_ALIKE: Record<string, string> = { O: "0", I: "1", L: "1" };
const SECRET_BYTES = 32;
/** With 3 bytes of checksum, 35 bytes are 56 characters and no bit is left over. */
const CHECKSUM_BYTES = 3;
const GROUP = 4;
/** With a separator behind each letter, and to spare. */
const MAX_TEXT = 200;
const LENGTH = ((SECRET_BYTES + CHECKSUM_BYTES) * 8) / 5;

/**
 * 256 random bits and 24 of a checksum in fourteen groups of four: to be written on paper, and typed again in any case, with or
 * without the hyphens. A fast derivation is enough for what cannot be guessed.
 */
export const recoveryKeys: RecoveryKeys = {
  create() {
    const secret = randomBytes(SECRET_BYTES);
    return { secret, text: writeRecoveryKey(secret) };
  },

  parse(text) {
    if (text.length > MAX_TEXT) return undefined;
    const letters = [...text.toUpperCase().replaceAll(/[\s-]/g, "")].map((letter) => LOOK_ALIKE[letter] ?? letter);
    const values = letters.map((letter) => ALPHABET.indexOf(letter));
    if (values.length !== LENGTH || values.includes(-1)) return undefined;
    const bits = values.reduce((sum, value) => (sum << 5n) | BigInt(value), 0n);
    const bytes = Buffer.from(bits.toString(16).padStart((SECRET_BYTES + CHECKSUM_BYTES) * 2, "0"), "hex");
    const secret = bytes.subarray(0, SECRET_BYTES);
    return timingSafeEqual(bytes.subarray(SECRET_BYTES), checksum(secret)) ? secret : undefined;
  },

  wrappingKey: (secret) => Buffer.from(hkdfSync("sha256", secret, "", "sello/1 private data recovery", 32)),
};

export function writeRecoveryKey(secret: Buffer): string {
  let bits = BigInt(`0x${Buffer.concat([secret, checksum(secret)]).toString("hex")}`);
  let text = "";
  for (let i = 0; i < LENGTH; i++, bits >>= 5n) text = ALPHABET.charAt(Number(bits & 31n)) + text;
  return (text.match(new RegExp(`.{${GROUP}}`, "g")) ?? []).join("-");
}

function checksum(secret: Buffer): Buffer {
  return createHash("sha256").update("sello/1 recovery key").update(secret).digest().subarray(0, CHECKSUM_BYTES);
}
