import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { isRequired } from "../../envelope/test/support/requirements.ts";
import { openRealVaultKms, openStandInKms, openTestLocalKms, type TestKms } from "./support/kms-providers.ts";
import { hasSoftHsm, startPkcs11Device } from "./support/pkcs11-device.ts";
import { openDeviceKms } from "./support/pkcs11-ports.ts";

const CONTEXT = { purpose: "user-key:notes", subject: "018f0000-0000-7000-8000-000000000001" };
const hasVault = process.env["VAULT_ADDR"] !== undefined || isRequired("vault");

const hasDevice = hasSoftHsm() || isRequired("softhsm");

const PROVIDERS: Record<string, () => Promise<TestKms>> = {
  "the local KMS": openTestLocalKms,
  "vault, on a stand-in": openStandInKms,
  ...(hasDevice && { "a PKCS#11 device": async () => openDeviceKms(await startPkcs11Device()) }),
  ...(hasVault && { "vault, on a real server": openRealVaultKms }),
};

describe.each(Object.entries(PROVIDERS))("%s", (_name, openKms) => {
  test("opens what it wrapped, also after it was opened anew", async () => {
    const { kms, open } = await openKms();
    const secret = randomBytes(32);
    const wrapped = await kms.wrap(secret, CONTEXT);
    expect(wrapped).not.toContain(secret.toString("base64"));
    expect(wrapped.length).toBeLessThan(200);
    expect(await kms.unwrap(wrapped, CONTEXT)).toStrictEqual({ secret, isCurrent: true });
    expect(await (await open()).unwrap(wrapped, CONTEXT)).toStrictEqual({ secret, isCurrent: true });
  });

  test("wraps the same secret as another text each time", async () => {
    const { kms } = await openKms();
    const secret = randomBytes(32);
    expect(await kms.wrap(secret, CONTEXT)).not.toBe(await kms.wrap(secret, CONTEXT));
  });

  test.each([
    ["another user", { ...CONTEXT, subject: "018f0000-0000-7000-8000-000000000002" }],
    ["another purpose", { ...CONTEXT, purpose: "user-key:mail" }],
    ["parts that are cut elsewhere", { purpose: `${CONTEXT.purpose}0`, subject: CONTEXT.subject.slice(1) }],
    ["nobody", { ...CONTEXT, subject: "" }],
  ])("opens and re-wraps nothing for %s", async (_whom, context) => {
    const { kms } = await openKms();
    const wrapped = await kms.wrap(randomBytes(32), CONTEXT);
    expect(await kms.unwrap(wrapped, context)).toBeUndefined();
    expect(await kms.rewrap(wrapped, context)).toBeUndefined();
  });

  test("does not open a text with a character changed, nor cut off", async () => {
    const { kms } = await openKms();
    const wrapped = await kms.wrap(randomBytes(32), CONTEXT);
    const start = wrapped.length - 60;
    for (const index of [0, start, start + 20, start + 40]) {
      const other = wrapped[index] === "A" ? "B" : "A";
      expect(await kms.unwrap(wrapped.slice(0, index) + other + wrapped.slice(index + 1), CONTEXT)).toBeUndefined();
    }
    expect(await kms.unwrap(wrapped.slice(0, -4), CONTEXT)).toBeUndefined();
    expect(await kms.unwrap("", CONTEXT)).toBeUndefined();
  });

  test("has one spelling of a text: no white space, no padding more, no second separator", async () => {
    const { kms } = await openKms();
    const wrapped = await kms.wrap(randomBytes(32), CONTEXT);
    for (const text of [`${wrapped}\n`, ` ${wrapped}`, `${wrapped}=`, wrapped.replace(/[.:]/, "$&$&")]) {
      expect(await kms.unwrap(text, CONTEXT)).toBeUndefined();
    }
  });

  test("wraps under a new master key after a rotation, and takes older texts to it", async () => {
    const { kms, rotate, open } = await openKms();
    const secret = randomBytes(32);
    const old = await kms.wrap(secret, CONTEXT);
    await rotate();
    const after = await open();
    expect(await after.unwrap(old, CONTEXT)).toStrictEqual({ secret, isCurrent: false });
    const fresh = (await after.rewrap(old, CONTEXT)) ?? "";
    expect(fresh).not.toBe(old);
    expect(await after.unwrap(fresh, CONTEXT)).toStrictEqual({ secret, isCurrent: true });
    expect(await after.rewrap(fresh, CONTEXT)).toBe(fresh);
    expect(await after.unwrap(fresh, { ...CONTEXT, subject: "another" })).toBeUndefined();
  });

  test("learns of a rotation elsewhere from the first text of the new key", async () => {
    const { kms, rotate, open } = await openKms();
    const old = await kms.wrap(randomBytes(32), CONTEXT);
    await rotate();
    const fresh = await (await open()).wrap(randomBytes(32), CONTEXT);
    expect((await kms.unwrap(fresh, CONTEXT))?.isCurrent).toBe(true);
    expect((await kms.unwrap(old, CONTEXT))?.isCurrent).toBe(false);
  });
});
