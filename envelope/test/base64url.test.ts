import { describe, expect, test } from "vitest";
import { decodeBase64url, encodeBase64url } from "../src/base64url.ts";
import { randomBytes, utf8 } from "../src/bytes.ts";

/** RFC 4648 section 10, without the padding. */
const rfc4648 = [
  ["", ""],
  ["f", "Zg"],
  ["fo", "Zm8"],
  ["foo", "Zm9v"],
  ["foob", "Zm9vYg"],
  ["fooba", "Zm9vYmE"],
  ["foobar", "Zm9vYmFy"],
] as const;

describe("base64url", () => {
  test.each(rfc4648)("spells %j as RFC 4648 does", (text, encoded) => {
    expect(encodeBase64url(utf8(text))).toBe(encoded);
    expect(decodeBase64url(encoded)).toEqual(utf8(text));
  });

  test("uses - and _ for 62 and 63", () => {
    expect(encodeBase64url(Uint8Array.of(0xfb, 0xff, 0xbf))).toBe("-_-_");
    expect(decodeBase64url("-_-_")).toEqual(Uint8Array.of(0xfb, 0xff, 0xbf));
  });

  test("agrees with Node's own at every length up to 300 bytes", () => {
    const samples = Array.from({ length: 300 }, (_, length) => randomBytes(length));
    expect(samples.map(encodeBase64url)).toEqual(samples.map((sample) => Buffer.from(sample).toString("base64url")));
    expect(samples.map(encodeBase64url).map(decodeBase64url)).toEqual(samples);
  });

  test("accepts one spelling of a last letter of each length and refuses the others", () => {
    const letters = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"];
    expect(letters.filter((letter) => decodeBase64url(`Z${letter}`))).toEqual(["A", "Q", "g", "w"]);
    expect(letters.filter((letter) => decodeBase64url(`ZZ${letter}`))).toHaveLength(16);
    expect(letters.filter((letter) => decodeBase64url(`ZZZ${letter}`))).toHaveLength(64);
  });

  test.each([
    ["padding", "Zg=="],
    ["padding where none is due", "Zm9v===="],
    ["bits after the last byte, one byte", "Zh"],
    ["bits after the last byte, two bytes", "Zm9"],
    ["a length no bytes have", "Zm9vY"],
    ["a lone letter", "Z"],
    ["a trailing line break", "Zm9v\n"],
    ["white space alone", "    "],
    ["a space inside", "Zm 9v"],
    ["the standard alphabet's +", "+m9v"],
    ["the standard alphabet's /", "/m9v"],
    ["a dot", "Zm9."],
    ["NUL", "Zm9\0"],
    ["a letter beyond ASCII", "Zm9ñ"],
    ["a letter whose low bits are in the alphabet", "Zm9\u0141"],
    ["half an emoji", "Zm9\ud83d"],
  ])("refuses %s", (_, text) => {
    expect(decodeBase64url(text)).toBeUndefined();
  });
});
