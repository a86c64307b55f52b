import { describe, expect, test } from "vitest";
import { unwrapKey, wrapKey } from "../src/crypto/jwe.ts";

const hex = (text: string) => Buffer.from(text, "hex");
/** RFC 3394 section 4.6: 256 bits of key data under a 256-bit key. */
const KEK = hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
const KEY = hex("00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f");
const WRAPPED = hex("28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21");

describe("the AES key wrap", () => {
  test("is that of RFC 3394", () => {
    expect(wrapKey(KEK, KEY)).toStrictEqual(WRAPPED);
    expect(unwrapKey(KEK, WRAPPED)).toStrictEqual(KEY);
  });

  test.each([
    ["one bit is another", Buffer.concat([hex("29"), WRAPPED.subarray(1)])],
    ["it is cut off", WRAPPED.subarray(0, 32)],
    ["it is empty", Buffer.alloc(0)],
  ])("unwraps nothing when %s", (_name, wrapped) => {
    expect(unwrapKey(KEK, wrapped)).toBeUndefined();
  });

  test("unwraps nothing under another key", () => {
    expect(unwrapKey(Buffer.alloc(32), WRAPPED)).toBeUndefined();
  });
});
