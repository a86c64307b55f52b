import { describe, expect, test } from "vitest";
import { recoveryKeys, writeRecoveryKey } from "../src/crypto/recovery-keys.ts";

const SECRET = Buffer.from(Array.from({ length: 32 }, (_, i) => i));
/** By Python: hashlib, and the 280 bits in Crockford's base32. */
const TEXT = "000G-40R4-0M30-E209-185G-R38E-1W81-24GK-2GAH-C5RR-34D1-P70X-3RFS-0VDA";

describe("a recovery key", () => {
  test("is written as another implementation writes it, and reads back", () => {
    expect(writeRecoveryKey(SECRET)).toBe(TEXT);
    expect(recoveryKeys.parse(TEXT)).toStrictEqual(SECRET);
  });

  test("wraps with HKDF-SHA256 of it, as another implementation has it", () => {
    const known = "67aedf396a7da35055fc44379fc98e7607c940586c4d24871db6390311aac9b4";
    expect(recoveryKeys.wrappingKey(SECRET).toString("hex")).toBe(known);
  });

  test("is new each time, and reads back", () => {
    const made = Array.from({ length: 100 }, () => recoveryKeys.create());
    expect(new Set(made.map(({ text }) => text)).size).toBe(100);
    for (const { text, secret } of made) expect(recoveryKeys.parse(text)).toStrictEqual(secret);
  });

  test.each([
    ["without hyphens", TEXT.replaceAll("-", "")],
    ["in lower case", TEXT.toLowerCase()],
    ["with spaces and line ends", ` ${TEXT.replaceAll("-", " \n")} `],
    ["with letters for digits that look like them", TEXT.replaceAll("0", "O").replaceAll("1", "l")],
  ])("may be typed %s", (_name, typed) => {
    expect(recoveryKeys.parse(typed)).toStrictEqual(SECRET);
  });

  test.each([
    ["empty", ""],
    ["a letter short", TEXT.slice(0, -1)],
    ["a letter long", `${TEXT}0`],
    ["with a letter that is none of its", TEXT.replace("4", "U")],
    ["with a letter of another script", TEXT.replace("A", "А")],
    ["endless", `${TEXT}${" ".repeat(1_000_000)}`],
  ])("is not read when it is %s", (_name, typed) => {
    expect(recoveryKeys.parse(typed)).toBeUndefined();
  });

  test("is not read with any one letter mistyped, nor with two neighbours exchanged", () => {
    const letters = [...TEXT.replaceAll("-", "")];
    const put = (changes: Record<number, string | undefined>) => Object.assign([...letters], changes).join("");
    const mistyped = letters.map((letter, i) => put({ [i]: letter === "7" ? "8" : "7" }));
    const exchanged = letters.map((letter, i) => put({ [i]: letters[i + 1] ?? "", [i + 1]: letter }));
    const wrong = [...mistyped, ...exchanged.slice(0, -1)].filter((text) => text !== letters.join(""));
    expect(wrong.length).toBeGreaterThan(100);
    expect(wrong.filter((text) => recoveryKeys.parse(text) !== undefined)).toStrictEqual([]);
  });
});
