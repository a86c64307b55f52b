import { createHash, createPrivateKey, createPublicKey, randomBytes } from "node:crypto";
import { CompactEncrypt, compactDecrypt, exportJWK, generateKeyPair } from "jose";
import { describe, expect, test } from "vitest";
import { type DecryptionKey, decryptCompact, encryptCompact } from "../src/crypto/jwe.ts";
import { agreeFrom, concatKdf } from "../src/crypto/key-agreement.ts";

/** RFC 7518 appendix C: Alice's ephemeral key and Bob's static one. */
const ALICE = {
  kty: "EC",
  crv: "P-256",
  x: "gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0",
  y: "SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps",
};
const BOB = createPrivateKey({
  key: {
    kty: "EC",
    crv: "P-256",
    x: "weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",
    y: "e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck",
    d: "VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw",
  },
  format: "jwk",
});
const Z = Buffer.from([
  158, 86, 217, 29, 129, 113, 53, 211, 114, 131, 66, 131, 191, 132, 38, 156, 251, 49, 110, 163, 218, 128, 106, 72, 246,
  218, 167, 121, 140, 254, 144, 196,
]);
const PARTIES = { apu: Buffer.from("Alice"), apv: Buffer.from("Bob") };

describe("the key agreement of RFC 7518 appendix C", () => {
  test("gives Bob the shared secret", () => {
    expect(agreeFrom(BOB, "P-256", ALICE)).toStrictEqual(Z);
  });

  test("derives the key", () => {
    const key = concatKdf(Z, "A128GCM", { ...PARTIES, keyBits: 128 });
    expect(key.toString("base64url")).toBe("VqqN6vgjbSBcIijNcacQGg");
  });

  test("derives 256 bits unless it is told otherwise, over the same fields with that length in the last", () => {
    const fields = [
      "00000001",
      Z.toString("hex"),
      "000000074131323847434d",
      "00000005416c696365",
      "00000003426f62",
      "00000100",
    ];
    const expected = createHash("sha256")
      .update(Buffer.from(fields.join(""), "hex"))
      .digest();
    expect(concatKdf(Z, "A128GCM", PARTIES)).toStrictEqual(expected);
  });
});

describe("a derived key", () => {
  const derive = (secret: Buffer, algorithm: string, apu: string, apv: string) =>
    concatKdf(secret, algorithm, { apu: Buffer.from(apu), apv: Buffer.from(apv) }).toString("hex");

  test.each([
    ["another secret", () => derive(randomBytes(32), "ECDH-ES+A256KW", "", "")],
    ["another algorithm", () => derive(Z, "ECDH-ES+A128KW", "", "")],
    ["a sender", () => derive(Z, "ECDH-ES+A256KW", "a", "")],
    ["a recipient", () => derive(Z, "ECDH-ES+A256KW", "", "a")],
    ["another length", () => concatKdf(Z, "ECDH-ES+A256KW", { ...PARTIES, keyBits: 128 }).toString("hex")],
  ])("is another with %s", (_name, other) => {
    expect(other()).not.toBe(derive(Z, "ECDH-ES+A256KW", "", ""));
  });

  test("is another when a boundary between two fields moves", () => {
    expect(derive(Z, "A", "li", "ce")).not.toBe(derive(Z, "Al", "i", "ce"));
    expect(derive(Z, "A", "li", "ce")).not.toBe(derive(Z, "A", "lic", "e"));
  });
});

describe.each(["X25519", "P-256"] as const)("ECDH-ES+A256KW on %s", (crv) => {
  async function newKey(): Promise<DecryptionKey> {
    const pair = await generateKeyPair("ECDH-ES+A256KW", { crv, extractable: true });
    const privateKey = createPrivateKey({ key: await exportJWK(pair.privateKey), format: "jwk" });
    return {
      kid: "kid",
      alg: "ECDH-ES+A256KW",
      crv,
      privateKey,
      publicKey: createPublicKey(privateKey),
      webKey: undefined,
    };
  }

  test("derives the key that jose derives, in both directions", async () => {
    const key = await newKey();
    const ours = await compactDecrypt(encryptCompact(key, "the plaintext"), key.privateKey);
    expect(Buffer.from(ours.plaintext).toString()).toBe("the plaintext");
    const theirs = await new CompactEncrypt(Buffer.from("the plaintext"))
      .setProtectedHeader({ alg: key.alg, enc: "A256GCM", cty: "JWT", kid: key.kid })
      .encrypt(key.publicKey);
    expect(await decryptCompact(() => key, theirs)).toBe("the plaintext");
  });

  test("opens nothing for another key", async () => {
    const [key, other] = await Promise.all([newKey(), newKey()]);
    expect(await decryptCompact(() => other, encryptCompact(key, "the plaintext"))).toBeUndefined();
  });
});
