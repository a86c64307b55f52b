import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseForeignHash } from "../src/crypto/foreign-hashes.ts";
import { createHashPool, type HashPool } from "../src/crypto/hash-pool.ts";
import { createPasswordHasher } from "../src/crypto/passwords.ts";
import type { PasswordHasher } from "../src/service/ports.ts";

let pool: HashPool;
let hasher: PasswordHasher;
beforeAll(() => {
  pool = createHashPool({ threads: 1, maxQueue: 100 });
  hasher = createPasswordHasher(pool, { memoryKib: 64, passes: 1, pepper: undefined });
});
afterAll(() => pool[Symbol.asyncDispose]());

const b64 = (hex: string) => Buffer.from(hex.replaceAll(/\s/g, ""), "hex").toString("base64").replace(/=+$/, "");
const salt = (text: string) => Buffer.from(text).toString("base64").replace(/=+$/, "");

/** RFC 7914 section 12: N=1024, r=8, p=16 and N=16384, r=8, p=1. */
const SCRYPT_1024 = `$scrypt$ln=10,r=8,p=16$${salt("NaCl")}$${b64(`
  fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162
  2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640`)}`;
const SCRYPT_16384 = `$scrypt$ln=14,r=8,p=1$${salt("SodiumChloride")}$${b64(`
  7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2
  d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887`)}`;
/** RFC 7914 section 11. */
const PBKDF2_SHA256 = `$pbkdf2-sha256$i=80000,l=64$${salt("NaCl")}$${b64(`
  4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56
  a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d`)}`;
/** RFC 6070. */
const PBKDF2_SHA1 = `$pbkdf2$i=4096,l=20$${salt("salt")}$${b64("4b007901b765489abead49d926f721d065a429c1")}`;
const PBKDF2_LONG = `$pbkdf2-sha1$i=4096,l=25$${salt("saltSALTsaltSALTsaltSALTsaltSALTsalt")}$${b64(
  "3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038",
)}`;
/** The documentation of passlib, and its tests. */
const PASSLIB_SHA256 = "$pbkdf2-sha256$29000$N2YMIWQsBWBMae09x1jrPQ$1t8iyB2A.WF/Z5JZv.lfCIhXXN33N23OSgQYThBYRfk";
const PASSLIB_SHA512 =
  "$pbkdf2-sha512$1212$RHY0Fr3IDMSVO/RSZyb5ow$eNLfBK.eVozomMr.1gYa17k9B7KIK25NOEshvhrSX.esqY3s.FvWZViXz4KoLlQI.BzY/YTNJOiKc5gBYFYGww";
const PASSLIB_SHA1 = "$pbkdf2$1212$OB.dtnSEXZK8U5cgxU/GYQ$y5LKPOplRmok7CZp/aqVDVg8zGI";
const PASSLIB_SCRYPT = "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E";
/** Django's own tests, of its releases 1.8 and 1.9. */
const DJANGO_SHA256 = "pbkdf2_sha256$20000$seasalt$oBSd886ysm3AqYun62DOdin8YcfbU1z9cksZSuLP9r0=";
/** The tests of argon2's reference implementation. */
const ARGON2I = "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA";
const ARGON2I_16 = "$argon2i$m=65536,t=2,p=1$c29tZXNhbHQ$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ";
const ARGON2ID = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
const BCRYPT = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

const KNOWN: [string, string, string][] = [
  ["scrypt, RFC 7914", "password", SCRYPT_1024],
  ["scrypt, RFC 7914, the second", "pleaseletmein", SCRYPT_16384],
  ["scrypt of passlib", "password", PASSLIB_SCRYPT],
  ["PBKDF2-SHA-256, RFC 7914", "Password", PBKDF2_SHA256],
  ["PBKDF2-SHA-1, RFC 6070", "password", PBKDF2_SHA1],
  ["PBKDF2-SHA-1 over more than a block, RFC 6070", "passwordPASSWORDpassword", PBKDF2_LONG],
  ["PBKDF2-SHA-256 of passlib", "toomanysecrets", PASSLIB_SHA256],
  ["PBKDF2-SHA-512 of passlib", "password", PASSLIB_SHA512],
  ["PBKDF2-SHA-1 of passlib", "password", PASSLIB_SHA1],
  ["PBKDF2-SHA-256 of Django", "lètmein", DJANGO_SHA256],
  ["argon2i", "password", ARGON2I],
  ["argon2i of version 1.0", "password", ARGON2I_16],
  ["argon2id", "password", ARGON2ID],
  ["bcrypt, of its authors", "U*U", BCRYPT],
  ["bcrypt of PHP", "U*U", BCRYPT.replace("$2a$", "$2y$")],
  ["bcrypt of OpenBSD", "U*U", BCRYPT.replace("$2a$", "$2b$")],
];

describe.each(KNOWN)("%s", (_name, password, hash) => {
  test("is taken over, verifies its password and no other, and is outdated", async () => {
    expect(hasher.foreignHashProblem(hash)).toBeUndefined();
    expect(await hasher.verify(hash, password)).toBe(true);
    for (const wrong of [`${password}x`, password.slice(1), ` ${password}`]) {
      expect(await hasher.verify(hash, wrong)).toBe(false);
    }
    expect(hasher.isOutdated(hash)).toBe(true);
  });

  test("is not taken over when anything of it is lost or added", () => {
    const parts = hash.split("$");
    const broken = [
      hash.slice(0, -1),
      `${hash}A`,
      `${hash}=`,
      `${hash} `,
      `${hash}\n`,
      ` ${hash}`,
      hash.slice(1),
      `${hash}$`,
      parts.slice(0, -1).join("$"),
      [...parts.slice(0, -1), ""].join("$"),
      [...parts.slice(0, -1), "AAAA"].join("$"),
      [...parts.slice(0, -1), "*".repeat(43)].join("$"),
      hash.toUpperCase(),
    ];
    for (const text of broken)
      expect({ text, problem: hasher.foreignHashProblem(text) }).toMatchObject({ problem: /./ });
  });
});

const KEY = "A".repeat(43);
describe("a hash", () => {
  test.each([
    `$scrypt$ln=31,r=8,p=1$c29tZXNhbHQ$${KEY}`,
    `$scrypt$ln=20,r=8,p=1$c29tZXNhbHQ$${KEY}`,
    `$scrypt$ln=99,r=8,p=1$c29tZXNhbHQ$${KEY}`,
    `$scrypt$ln=10,r=8,p=9999$c29tZXNhbHQ$${KEY}`,
    `$scrypt$ln=2,r=9999,p=9999$c29tZXNhbHQ$${KEY}`,
    `$pbkdf2-sha256$i=4000001,l=32$c29tZXNhbHQ$${KEY}`,
    `$pbkdf2-sha256$i=9999999999$c29tZXNhbHQ$${KEY}`,
    `$pbkdf2-sha256$9999999999$c29tZXNhbHQ$${KEY}`,
    `$pbkdf2-sha1$i=2000001,l=32$c29tZXNhbHQ$${KEY}`,
    `$argon2id$v=19$m=4294967295,t=1,p=1$c29tZXNhbHQ$${KEY}`,
    `$2b$31$${"a".repeat(53)}`,
  ])("that would cost too much is neither taken over nor verified: %s", async (hash) => {
    expect(hasher.foreignHashProblem(hash)).toMatch(/stored/);
    await expect(hasher.verify(hash, "password")).rejects.toThrow(/stored/);
  });

  test.each([
    ["without iterations", `$pbkdf2-sha256$i=0$c29tZXNhbHQ$${KEY}`],
    ["of no length that it says", `$pbkdf2-sha256$i=1000,l=31$c29tZXNhbHQ$${KEY}`],
    ["of another digest", `$pbkdf2-md5$i=1000$c29tZXNhbHQ$${KEY}`],
    ["of a key that a guess may hit", "$pbkdf2-sha256$i=1000$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAA"],
    ["of base64 with two spellings", `$pbkdf2-sha256$i=1000$c29tZXNhbHR$${KEY}`],
    ["in base64url", `$pbkdf2-sha256$i=1000$c29tZXNhbHQ$${"A".repeat(42)}_`],
    ["of scrypt that does nothing", `$scrypt$ln=0,r=8,p=1$c29tZXNhbHQ$${KEY}`],
    ["of scrypt without blocks", `$scrypt$ln=10,r=0,p=1$c29tZXNhbHQ$${KEY}`],
    ["with our pepper", `hmac-sha256${ARGON2ID}`],
    ["that is very long", `$pbkdf2-sha256$i=1000$${"A".repeat(600)}$${KEY}`],
    ["in clear", "password"],
  ])("%s is none", (_name, hash) => {
    expect(hasher.foreignHashProblem(hash)).toMatch(/must be a whole/);
    expect(parseForeignHash(hash)).toBeUndefined();
  });
});

describe("Python's own functions make hashes that verify here", () => {
  const python = (code: string) => execFileSync("python3", ["-c", code], { encoding: "utf8" }).trim();
  const made = (derive: string, prefix: string) =>
    python(
      `import hashlib,base64,os;s=os.urandom(16);k=${derive};e=lambda b:base64.b64encode(b).decode().rstrip("=");print("${prefix}$"+e(s)+"$"+e(k))`,
    );

  test.each([
    ["scrypt", `hashlib.scrypt("pässwörd".encode(),salt=s,n=4096,r=8,p=2,dklen=32)`, "$scrypt$ln=12,r=8,p=2"],
    ["PBKDF2", `hashlib.pbkdf2_hmac("sha512","pässwörd".encode(),s,5000)`, "$pbkdf2-sha512$i=5000"],
  ])("%s", async (_name, derive, prefix) => {
    const hash = made(derive, prefix.replaceAll("$", "\\$").replaceAll("\\$", "$"));
    expect(hasher.foreignHashProblem(hash)).toBeUndefined();
    expect(await hasher.verify(hash, "pässwörd")).toBe(true);
    expect(await hasher.verify(hash, "passwörd")).toBe(false);
  });
});
