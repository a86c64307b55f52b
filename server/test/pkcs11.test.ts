import { randomBytes } from "node:crypto";
import { createLocalJWKSet, jwtVerify } from "jose";
import { describe, expect, test } from "vitest";
import { isRequired } from "../../envelope/test/support/requirements.ts";
import { createAccessTokens } from "../src/crypto/access-tokens.ts";
import { signCompact, verifyCompact } from "../src/crypto/jws.ts";
import { hasSoftHsm, startPkcs11Device } from "./support/pkcs11-device.ts";
import { openDeviceKms, openDeviceSigner } from "./support/pkcs11-ports.ts";
import { startAppForTest } from "./support/start-app.ts";

const CONTEXT = { purpose: "user-key:notes", subject: "018f0000-0000-7000-8000-000000000001" };

const SESSION = "018f0000-0000-7000-8000-0000000000aa";
const ANN = {
  id: CONTEXT.subject,
  email: "ann@example.com",
  username: "ann",
  roles: ["user"],
  permissions: [],
  mfaEnabled: false,
  createdAt: new Date(0),
  dataPublic: {},
};

/** That a port can live outside of the process: SoftHSM keeps the keys, and nothing of them comes here. */
describe.skipIf(!hasSoftHsm() && !isRequired("softhsm"))("on a PKCS#11 device", () => {
  test("an access token is signed by a key that never leaves it, and anybody verifies it with the public key", async () => {
    const server = await startAppForTest();
    const { ring } = server.app.keys;
    const { signer, publicKey, jwk } = await openDeviceSigner(await startPkcs11Device(), "sig-1");
    const findVerifier = (kid: string) => (kid === signer.kid ? { kid, alg: "ES256" as const, publicKey } : undefined);
    const keys = { ...ring, version: 1, signer: () => signer, findVerifier };
    const settings = { issuer: "https://auth.example.com", audience: "shop", ttlS: 900 };
    const tokens = (nested: boolean) =>
      createAccessTokens({ keys, clock: server.clock, settings: { ...settings, nested } });

    const encrypted = await tokens(true).issue(ANN, { id: SESSION, authenticatedAt: server.clock.now() });
    expect(await tokens(true).verify(encrypted)).toMatchObject({ userId: ANN.id, sessionId: SESSION });
    await expect(server.app.deps.accessTokens.verify(encrypted)).rejects.toMatchObject({ reason: "token_invalid" });

    const { payload, protectedHeader } = await jwtVerify(
      await tokens(false).issue(ANN, { id: SESSION, authenticatedAt: server.clock.now() }),
      createLocalJWKSet({ keys: [jwk] }),
      { issuer: settings.issuer, audience: settings.audience, typ: "at+jwt", currentDate: server.clock.now() },
    );
    expect(payload).toMatchObject({ sub: ANN.id, sid: SESSION });
    expect(protectedHeader).toStrictEqual({ alg: "ES256", typ: "at+jwt", kid: jwk.kid });
  });

  test("a signature over another payload, or by another key of it, does not verify", async () => {
    const device = await startPkcs11Device();
    const { signer, publicKey } = await openDeviceSigner(device, "sig-1");
    const other = await openDeviceSigner(device, "sig-2");
    const find = () => ({ kid: signer.kid, alg: "ES256" as const, publicKey });
    const jws = await signCompact(signer, "at+jwt", '{"sub":"ann"}');
    expect(verifyCompact(find, "at+jwt", jws)?.toString()).toBe('{"sub":"ann"}');
    const [header, , signature] = jws.split(".");
    const payload = Buffer.from('{"sub":"eve"}').toString("base64url");
    expect(verifyCompact(find, "at+jwt", `${header}.${payload}.${signature}`)).toBeUndefined();
    const forged = await signCompact({ ...other.signer, kid: signer.kid }, "at+jwt", '{"sub":"ann"}');
    expect(verifyCompact(find, "at+jwt", forged)).toBeUndefined();
  });

  test("the keys cannot be read", async () => {
    const device = await startPkcs11Device();
    await openDeviceSigner(device, "sig-1");
    await openDeviceKms(device);
    const kinds = { private: "sig-1", secret: "master-1" };
    for (const [kind, label] of Object.entries(kinds)) {
      expect(await device.ask({ operation: "readKey", kind, label })).toBeUndefined();
    }
  });

  test("one that was pulled out is unavailable, for signing and for wrapping", async () => {
    const device = await startPkcs11Device();
    const { signer } = await openDeviceSigner(device, "sig-1");
    const { kms } = await openDeviceKms(device);
    const wrapped = await kms.wrap(randomBytes(32), CONTEXT);
    device.remove();
    await expect(signCompact(signer, "at+jwt", "{}")).rejects.toMatchObject({ reason: "unavailable" });
    await expect(kms.wrap(randomBytes(32), CONTEXT)).rejects.toMatchObject({ reason: "unavailable" });
    await expect(kms.unwrap(wrapped, CONTEXT)).rejects.toMatchObject({ reason: "unavailable" });
  });
});
