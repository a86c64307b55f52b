import { generateKeyPairSync } from "node:crypto";
import { describe, expect, test } from "vitest";
import { type FrontJwk, importOpener, importRecipient } from "../src/index.ts";
import { positiveNames, positives } from "./support/vectors.ts";

const keys = positives.map(({ public_jwk, private_jwk }, i) => ({ name: positiveNames[i], public_jwk, private_jwk }));
const [rsa, , p256, x25519] = positives.map(({ private_jwk }) => private_jwk) as [
  FrontJwk,
  FrontJwk,
  FrontJwk,
  FrontJwk,
];

describe.each(keys)("a front key: $name", ({ public_jwk, private_jwk }) => {
  test("is imported with its use, key_ops and ext, which WebCrypto would refuse", async () => {
    const marked = { use: "enc_front", key_ops: ["sign"], ext: false, x5c: [] };
    expect(await importRecipient({ ...public_jwk, ...marked } as FrontJwk)).toMatchObject({ kid: public_jwk.kid });
    expect(await importOpener({ ...private_jwk, ...marked } as FrontJwk)).toMatchObject({ alg: public_jwk.alg });
  });

  test("is refused without kid, with one too long, and with another alg", async () => {
    const { kid: _, ...nameless } = public_jwk;
    await expect(importRecipient(nameless)).rejects.toThrow(TypeError);
    await expect(importRecipient({ ...public_jwk, kid: "k".repeat(129) })).rejects.toThrow(TypeError);
    await expect(importRecipient({ ...public_jwk, alg: "ECDH-ES+A256KW" })).rejects.toThrow(TypeError);
    await expect(importOpener({ ...private_jwk, alg: undefined })).rejects.toThrow(TypeError);
  });

  test("opens nothing when only its public half is given", async () => {
    await expect(importOpener(public_jwk)).rejects.toThrow(TypeError);
  });
});

describe("importing", () => {
  test("refuses an RSA key of 1024 bits, to seal and to open", async () => {
    const weak = generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey.export({ format: "jwk" });
    const jwk = { ...(weak as FrontJwk), kid: "weak", alg: "RSA-OAEP-256" };
    await expect(importRecipient(jwk)).rejects.toThrow("2048");
    await expect(importOpener(jwk)).rejects.toThrow("2048");
  });

  test.each([
    ["P-384", { kty: "EC", crv: "P-384" }],
    ["Ed25519", { kty: "OKP", crv: "Ed25519" }],
    ["X448", { kty: "OKP", crv: "X448" }],
    ["a symmetric key", { kty: "oct" }],
    ["EC on X25519", { kty: "EC", crv: "X25519" }],
    ["nothing", {}],
  ])("refuses %s", async (_, change) => {
    await expect(importRecipient({ kid: "k", alg: "ECDH-ES", ...change })).rejects.toThrow(TypeError);
  });

  test("refuses a point that is off the curve or not 32 bytes a coordinate", async () => {
    await expect(importRecipient({ ...p256, y: p256.x })).rejects.toThrow();
    await expect(importRecipient({ ...p256, x: "AAAA" })).rejects.toThrow(TypeError);
    await expect(importRecipient({ ...x25519, x: `${x25519.x}AA` })).rejects.toThrow(TypeError);
    await expect(importRecipient({ ...x25519, x: `${x25519.x}=` })).rejects.toThrow(TypeError);
  });

  test("refuses a private key whose halves do not belong together", async () => {
    const other = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey.export({ format: "jwk" });
    const otherPoint = generateKeyPairSync("x25519").publicKey.export({ format: "jwk" });
    const otherP256 = generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey.export({ format: "jwk" });
    await expect(importOpener({ ...rsa, ...(other as FrontJwk) })).rejects.toThrow();
    await expect(importOpener({ ...x25519, ...(otherPoint as FrontJwk) })).rejects.toThrow();
    await expect(importOpener({ ...p256, ...(otherP256 as FrontJwk) })).rejects.toThrow();
  });

  test("gives out neither the private key nor anything that exports it", async () => {
    const opener = await importOpener(p256);
    expect(JSON.parse(JSON.stringify(opener))).toEqual({ kid: p256.kid, alg: "ECDH-ES" });
  });
});
