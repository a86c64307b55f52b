import { describe, expect, test } from "vitest";
import { mfaSecrets } from "../src/crypto/mfa-secrets.ts";
import { createTotp } from "../src/crypto/totp.ts";
import { codeAt, fromBase32 } from "./support/mfa.ts";

/** RFC 4226 and 6238 use this secret. */
const SECRET = Buffer.from("12345678901234567890");
const at = (seconds: number) => new Date(seconds * 1000);
const exact = createTotp({ window: 0 });

describe("the codes of an authenticator app", () => {
  test.each([
    [0, "755224"],
    [1, "287082"],
    [2, "359152"],
    [3, "969429"],
    [4, "338314"],
    [5, "254676"],
    [6, "287922"],
    [7, "162583"],
    [8, "399871"],
    [9, "520489"],
  ])("are those of RFC 4226, appendix D: counter %i", (counter, code) => {
    expect(exact.stepOf(SECRET, code, at(counter * 30))).toBe(counter);
    expect(exact.stepOf(SECRET, code, at(counter * 30 + 29))).toBe(counter);
    expect(exact.stepOf(SECRET, code, at((counter + 1) * 30))).toBeUndefined();
  });

  // The RFC's are of eight digits; those of six are their last six (RFC 4226 section 5.3).
  test.each([
    [59, "94287082"],
    [1_111_111_109, "07081804"],
    [1_111_111_111, "14050471"],
    [1_234_567_890, "89005924"],
    [2_000_000_000, "69279037"],
    [20_000_000_000, "65353130"],
  ])("are those of RFC 6238, appendix B, with SHA-1: second %i", (seconds, code) => {
    expect(exact.stepOf(SECRET, code.slice(2), at(seconds))).toBe(Math.floor(seconds / 30));
  });

  test.each(["", "75522", "7552240", "755225", "abcdef", "７５５２２４", " 755224", "-55224", "755224\n"])(
    "are none of another form: %j",
    (code) => {
      expect(exact.stepOf(SECRET, code, at(0))).toBeUndefined();
    },
  );

  test("are taken from as many steps on either side as the window has, and each has its own step", () => {
    const totp = createTotp({ window: 2 });
    const now = at(300);
    const steps = [-3, -2, -1, 0, 1, 2, 3].map((away) =>
      totp.stepOf(SECRET, codeAt("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", now, away), now),
    );
    expect(steps).toStrictEqual([undefined, 8, 9, 10, 11, 12, undefined]);
  });
});

describe("a secret", () => {
  test("has 160 random bits", () => {
    const [one, other] = [exact.newSecret(), exact.newSecret()];
    expect([one.length, other.length]).toStrictEqual([20, 20]);
    expect(one.equals(other)).toBe(false);
  });

  test("is described as apps read it: issuer and account percent-encoded, base32 without padding", () => {
    const names = { issuer: "Häuser & Söhne", account: "o'neil+a/b?=@example.com" };
    const { secret, uri } = exact.describe(SECRET, names);
    expect(secret).toBe("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    expect(fromBase32(secret)).toStrictEqual(SECRET);
    expect(uri).toMatch(/^otpauth:\/\/totp\/[A-Za-z0-9.%'~()*!-]+:[A-Za-z0-9.%'~()*!-]+\?[A-Za-z0-9.%=&'~()*!-]+$/);
    const { pathname, searchParams } = new URL(uri);
    expect(decodeURIComponent(pathname)).toBe(`/${names.issuer}:${names.account}`);
    expect(Object.fromEntries(searchParams)).toStrictEqual({
      issuer: names.issuer,
      secret,
      algorithm: "SHA1",
      digits: "6",
      period: "30",
    });
  });
});

describe("recovery codes", () => {
  const codes = mfaSecrets.newRecoveryCodes();

  test("are ten, of 80 bits in four readable groups, each another", () => {
    expect(codes).toHaveLength(10);
    expect(new Set(codes.map(({ code }) => code)).size).toBe(10);
    for (const { code } of codes) expect(code).toMatch(/^([0-9A-HJKMNP-TV-Z]{4}-){3}[0-9A-HJKMNP-TV-Z]{4}$/);
  });

  test("use every letter of their alphabet about as often", () => {
    const letters = Array.from({ length: 200 }, () => mfaSecrets.newRecoveryCodes())
      .flatMap((made) => made.map(({ code }) => code.replaceAll("-", "")))
      .join("");
    const counts = [..."0123456789ABCDEFGHJKMNPQRSTVWXYZ"].map((letter) => letters.split(letter).length - 1);
    expect(letters).toHaveLength(32_000);
    expect(Math.min(...counts)).toBeGreaterThan(800);
    expect(Math.max(...counts)).toBeLessThan(1_200);
  });

  test("have the hash that is found by what is typed", () => {
    for (const { code, hash } of codes) {
      expect(mfaSecrets.recoveryCodeHash(code)).toStrictEqual(hash);
      expect(mfaSecrets.recoveryCodeHash(` ${code.toLowerCase().replaceAll("-", "")} `)).toStrictEqual(hash);
    }
  });

  test("are known by their SHA-256", () => {
    expect(mfaSecrets.recoveryCodeHash("0123-4567-89AB-CDEF")?.toString("hex")).toBe(
      "2125b2c332b1113aae9bfc5e9f7e3b4c91d828cb942c2df1eeb02502eccae9e9",
    );
  });

  test.each(["", "0123-4567-89AB-CDE", "0123-4567-89AB-CDEFG", "0123-4567-89AB-CDEU", "123456", "0123_4567_89AB_CDEF"])(
    "are not of the form %j",
    (text) => {
      expect(mfaSecrets.recoveryCodeHash(text)).toBeUndefined();
    },
  );
});

test("a challenge is 256 random bits, known by its hash", () => {
  const [one, other] = [mfaSecrets.newChallenge(), mfaSecrets.newChallenge()];
  expect(one.token).toMatch(/^mfa_[\w-]{43}$/);
  expect(one.token).not.toBe(other.token);
  expect(mfaSecrets.challengeHash(one.token)).toStrictEqual(one.hash);
  expect(one.hash).toHaveLength(32);
});
