import { createHash, randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { refreshTokens } from "../src/crypto/refresh-tokens.ts";

const { create, parse, sealSuccessor, openSuccessor } = refreshTokens;

describe("a sealed successor", () => {
  const old = create();
  const successor = create();

  test("is opened by the token it was sealed under, and is different each time", () => {
    const [one, two] = [sealSuccessor(old, successor), sealSuccessor(old, successor)];
    expect([openSuccessor(old, one), openSuccessor(old, two)]).toStrictEqual([successor.token, successor.token]);
    expect(one).not.toStrictEqual(two);
  });

  test("holds neither token", () => {
    const sealed = sealSuccessor(old, successor).toString("latin1");
    expect(sealed).not.toContain(successor.token);
    expect(sealed).not.toContain(old.token);
  });

  test.each([
    ["another token", () => create()],
    ["the successor itself", () => successor],
    ["another token with the hash of the old one", () => ({ token: create().token, hash: old.hash })],
    ["the old token with another hash", () => ({ token: old.token, hash: create().hash })],
  ])("is not opened by %s", (_name, other) => {
    const sealed = sealSuccessor(old, successor);
    expect(() => openSuccessor(other(), sealed)).toThrow();
  });

  test("is not opened with any one bit changed", () => {
    const sealed = sealSuccessor(old, successor);
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const altered = Buffer.from(sealed);
      altered.writeUInt8(altered.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      expect(() => openSuccessor(old, altered), `bit ${bit}`).toThrow();
    }
  });

  test("is not opened when it is cut off anywhere, at either end", () => {
    const sealed = sealSuccessor(old, successor);
    for (let length = 0; length < sealed.length; length++) {
      expect(() => openSuccessor(old, sealed.subarray(0, length)), `the first ${length} bytes`).toThrow();
      expect(() => openSuccessor(old, sealed.subarray(sealed.length - length)), `the last ${length} bytes`).toThrow();
    }
  });

  test("is not opened with bytes before or after it", () => {
    const sealed = sealSuccessor(old, successor);
    expect(() => openSuccessor(old, Buffer.concat([sealed, Buffer.alloc(1)]))).toThrow();
    expect(() => openSuccessor(old, Buffer.concat([Buffer.alloc(1), sealed]))).toThrow();
  });
});

describe("the text of a refresh token", () => {
  const { token } = create();
  const secret = token.slice("rt_".length);

  test("is rt_ and 32 bytes, known by its SHA-256", () => {
    expect(token).toMatch(/^rt_[A-Za-z0-9_-]{43}$/);
    expect(parse(token)).toStrictEqual({ token, hash: createHash("sha256").update(token).digest() });
  });

  /** 43 characters carry two bits more than 32 bytes; in the one spelling of a token they are zero. */
  const withStrayBits = `rt_${"A".repeat(42)}B`;

  test.each([
    ["is empty", ""],
    ["is the prefix alone", "rt_"],
    ["has no prefix", secret],
    ["has another prefix", `at_${secret}`],
    ["has its prefix in capitals", `RT_${secret}`],
    ["has its prefix twice", `rt_rt_${secret}`],
    ["is a byte short", `rt_${randomBytes(31).toString("base64url")}`],
    ["is a byte long", `rt_${randomBytes(33).toString("base64url")}`],
    ["is cut off", token.slice(0, -1)],
    ["is padded", `${token}=`],
    ["has stray bits in its last character", withStrayBits],
    ["is in the other base64", `rt_${Buffer.alloc(32, 0xff).toString("base64").replace("=", "")}`],
    ["begins with a space", ` ${token}`],
    ["ends with a line break", `${token}\n`],
    ["has a space inside", `rt_${secret.slice(0, 20)} ${secret.slice(20)}`],
    ["holds what is no base64", `rt_${"é".repeat(43)}`],
    ["holds a NUL", `rt_${secret.slice(0, -1)}\0`],
    ["is a long text", `rt_${"A".repeat(100_000)}`],
  ])("is no token when it %s", (_name, text) => {
    expect(parse(text)).toBeUndefined();
  });
});
