import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { createDataCipher } from "../src/crypto/data-cipher.ts";
import type { Place } from "../src/service/user-data-ports.ts";

const hex = (text: string) => Buffer.from(text, "hex");
const KEY = hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
const PLACE: Place = { userId: "018f0000-0000-7000-8000-000000000001", purpose: "data.protected", version: 1 };
/** By python3-cryptography: iv + AESGCM(key).encrypt(iv, b"phone", aad), each part of the aad behind its length. */
const KNOWN = hex("404142434445464748494a4b92d1c14d43dfadbba07fe4a19e3ff575b90136713d");
const cipher = createDataCipher();

describe("the cipher of users' data", () => {
  test("is AES-256-GCM over user, purpose and version, as another implementation has it", () => {
    const fixed = createDataCipher(() => hex("404142434445464748494a4b"));
    expect(fixed.seal(KEY, Buffer.from("phone"), PLACE)).toStrictEqual(KNOWN);
    expect(cipher.open(KEY, KNOWN, PLACE)?.toString()).toBe("phone");
  });

  test("never uses an IV twice", () => {
    const sealed = Array.from({ length: 100 }, () => cipher.seal(KEY, Buffer.from("phone"), PLACE));
    expect(new Set(sealed.map((bytes) => bytes.subarray(0, 12).toString("hex"))).size).toBe(100);
  });

  test.each([
    ["another user", { ...PLACE, userId: "018f0000-0000-7000-8000-000000000002" }],
    ["another class", { ...PLACE, purpose: "data.private" as const }],
    ["a key's purpose", { ...PLACE, purpose: "protected" as const }],
    ["another version", { ...PLACE, version: 2 }],
    ["parts that are cut elsewhere", { ...PLACE, userId: `${PLACE.userId}d`, purpose: "ata.protected" as never }],
  ])("does not open for %s", (_name, place) => {
    expect(cipher.open(KEY, KNOWN, place)).toBeUndefined();
  });

  test("does not open under another key, with any bit flipped, cut off or extended", () => {
    expect(cipher.open(randomBytes(32), KNOWN, PLACE)).toBeUndefined();
    for (let bit = 0; bit < KNOWN.length * 8; bit++) {
      const flipped = Buffer.from(KNOWN);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(cipher.open(KEY, flipped, PLACE)).toBeUndefined();
    }
    for (let length = 0; length < KNOWN.length; length++) {
      expect(cipher.open(KEY, KNOWN.subarray(0, length), PLACE)).toBeUndefined();
    }
    expect(cipher.open(KEY, Buffer.concat([KNOWN, Buffer.alloc(1)]), PLACE)).toBeUndefined();
  });

  test.each([16, 24, 31, 33])("takes no key of %i bytes", (length) => {
    expect(() => cipher.seal(randomBytes(length), Buffer.from("phone"), PLACE)).toThrow();
  });
});
