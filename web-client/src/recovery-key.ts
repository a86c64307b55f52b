import type { Bytes } from "@sello/envelope";

/** Crockford's base32: no letter that looks like a digit. */
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const lookAlike: Readonly<Record<string, string>> = { O: "0", I: "1", L: "1" };
const secretBytes = 32;
/** With 3 bytes of checksum, 35 bytes are 56 characters and no bit is left over. */
const bytesInAll = secretBytes + 3;
const lettersInAll = (bytesInAll * 8) / 5;

/** 32 bytes as fourteen groups of four: the form that the server's recovery keys have too. */
export async function writeRecoveryKey(secret: Bytes): Promise<string> {
  const bytes = [...secret, ...(await checksum(secret))];
  let bits = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  let text = "";
  for (let i = 0; i < lettersInAll; i++, bits >>= 5n) text = alphabet.charAt(Number(bits & 31n)) + text;
  return (text.match(/.{4}/g) ?? []).join("-");
}

/** The 32 bytes, however the text is spaced and cased; undefined when it has a typing error. */
export async function readRecoveryKey(text: string): Promise<Bytes | undefined> {
  if (text.length > 200) return undefined;
  const letters = [...text.toUpperCase().replace(/[\s-]/g, "")].map((letter) => lookAlike[letter] ?? letter);
  const values = letters.map((letter) => alphabet.indexOf(letter));
  if (values.length !== lettersInAll || values.includes(-1)) return undefined;
  let bits = values.reduce((sum, value) => (sum << 5n) | BigInt(value), 0n);
  const bytes = new Uint8Array(bytesInAll);
  for (let i = bytesInAll - 1; i >= 0; i--, bits >>= 8n) bytes[i] = Number(bits & 255n);
  const secret = bytes.slice(0, secretBytes);
  const expected = await checksum(secret);
  return expected.every((byte, i) => byte === bytes[secretBytes + i]) ? secret : undefined;
}

async function checksum(secret: Bytes): Promise<Bytes> {
  const name = new TextEncoder().encode("sello/1 recovery key");
  const digest = await crypto.subtle.digest("SHA-256", new Uint8Array([...name, ...secret]));
  return new Uint8Array(digest).slice(0, bytesInAll - secretBytes);
}
