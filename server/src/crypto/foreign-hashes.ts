/** A hash that a function of this server's platform verifies, taken apart. */
export type ForeignHash =
  | { kind: "scrypt"; cost: number; blockSize: number; parallelization: number; salt: Buffer; key: Buffer }
  | { kind: "pbkdf2"; digest: "sha1" | "sha256" | "sha512"; iterations: number; salt: Buffer; key: Buffer };

/** With fewer bytes a wrong password would soon be right. */
const MIN_KEY = 16;
const MAX_KEY = 128;
const MAX_SALT = 128;

const B64 = "[A-Za-z0-9+/.]";
/** PHC string format, as passlib, hashcat and RustCrypto write it. */
const SCRYPT = new RegExp(`^\\$scrypt\\$ln=(\\d{1,2}),r=(\\d{1,4}),p=(\\d{1,4})\\$(${B64}+)\\$(${B64}+)$`);
/** PHC string format: `i` iterations, and `l`, the length of the key. Without a digest it is SHA-1, as in RFC 8018. */
const PBKDF2 = new RegExp(
  `^\\$pbkdf2(?:-(sha1|sha256|sha512))?\\$i=(\\d{1,10})(?:,l=(\\d{1,3}))?\\$(${B64}+)\\$(${B64}+)$`,
);
/** passlib's older form: the iterations alone, and `.` for `+`. */
const PASSLIB = new RegExp(`^\\$pbkdf2(?:-(sha1|sha256|sha512))?\\$(\\d{1,10})()\\$(${B64}+)\\$(${B64}+)$`);
/** Django's form: the salt is text, and the key has its padding. */
const DJANGO = /^pbkdf2_(sha1|sha256)\$(\d{1,10})\$([\x21-\x23\x25-\x7e]{1,128})\$([A-Za-z0-9+/]+={0,2})$/;

const ARGON2 =
  /^\$argon2(?:id|i|d)\$(?:v=(?:16|19)\$)?m=\d{1,10},t=\d{1,10},p=\d{1,10}\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;
const BCRYPT = /^\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$/;

/** The parts of a scrypt or PBKDF2 hash; undefined for any other text, and for one that is cut off. */
export function parseForeignHash(hash: string): ForeignHash | undefined {
  return parseScrypt(hash) ?? parsePbkdf2(hash) ?? parseDjango(hash);
}

/** Whether a text is a whole argon2 or bcrypt hash, to its last character. */
export function isWholeHash(hash: string): boolean {
  const [, salt, key] = ARGON2.exec(hash) ?? [];
  return BCRYPT.test(hash) || readParts(salt, key) !== undefined;
}

function parseScrypt(hash: string): ForeignHash | undefined {
  const [, log2 = "", blockSize = "", parallelization = "", salt, key] = SCRYPT.exec(hash) ?? [];
  const parts = readParts(salt, key);
  if (parts === undefined) return undefined;
  const numbers = { cost: 2 ** Number(log2), blockSize: Number(blockSize), parallelization: Number(parallelization) };
  if (numbers.cost < 2 || numbers.blockSize < 1 || numbers.parallelization < 1) return undefined;
  return { kind: "scrypt", ...numbers, ...parts };
}

function parsePbkdf2(hash: string): ForeignHash | undefined {
  const [, digest = "sha1", iterations = "", length = "", salt, key] = PBKDF2.exec(hash) ?? PASSLIB.exec(hash) ?? [];
  const parts = readParts(salt, key);
  if (parts === undefined || Number(iterations) < 1) return undefined;
  if (length !== "" && Number(length) !== parts.key.length) return undefined;
  return { kind: "pbkdf2", digest: digest as "sha1", iterations: Number(iterations), ...parts };
}

function parseDjango(hash: string): ForeignHash | undefined {
  const [, digest, iterations = "", salt = "", padded = ""] = DJANGO.exec(hash) ?? [];
  const key = padded.length % 4 === 0 ? readBase64(padded.replace(/=+$/, "")) : undefined;
  if (key === undefined || key.length < MIN_KEY || key.length > MAX_KEY || Number(iterations) < 1) return undefined;
  return { kind: "pbkdf2", digest: digest as "sha1", iterations: Number(iterations), salt: Buffer.from(salt), key };
}

function readParts(salt: string | undefined, key: string | undefined): { salt: Buffer; key: Buffer } | undefined {
  const parts = { salt: readBase64(salt), key: readBase64(key) };
  if (parts.salt === undefined || parts.key === undefined) return undefined;
  if (parts.salt.length > MAX_SALT || parts.key.length < MIN_KEY || parts.key.length > MAX_KEY) return undefined;
  return { salt: parts.salt, key: parts.key };
}

/** Base64 without padding, `.` for `+` allowed, of one spelling only. */
function readBase64(text: string | undefined): Buffer | undefined {
  if (text === undefined) return undefined;
  const standard = text.replaceAll(".", "+");
  const bytes = Buffer.from(standard, "base64");
  return bytes.toString("base64").replace(/=+$/, "") === standard ? bytes : undefined;
}
