import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { AuthError } from "../src/domain/errors.ts";
import { cacheUnwrapped } from "../src/kms/data-key-cache.ts";
import { combineProviders } from "../src/kms/providers.ts";
import type { KmsProvider } from "../src/service/rewrap-ports.ts";
import { openStandInKms, openTestLocalKms } from "./support/kms-providers.ts";

const CONTEXT = { purpose: "user-key:notes", subject: "018f0000-0000-7000-8000-000000000001" };
const HOUR_MS = 3_600_000;

/** A KMS that goes down and comes back, and how often it was asked. */
async function openFailingKms() {
  const { kms } = await openTestLocalKms();
  const state = { down: false, asked: 0, handedOut: [] as Buffer[] };
  const ask = async <T>(use: () => Promise<T>): Promise<T> => {
    state.asked += 1;
    if (state.down) throw new AuthError("unavailable", { cause: new Error("the KMS is down") });
    return use();
  };
  const failing: KmsProvider = {
    wrap: (secret, context) => ask(() => kms.wrap(secret, context)),
    unwrap: (wrapped, context) => ask(() => kms.unwrap(wrapped, context)),
    rewrap: (wrapped, context) => ask(() => kms.rewrap(wrapped, context)),
    [Symbol.dispose]: () => kms[Symbol.dispose](),
  };
  return { failing, state };
}

describe("data keys that are remembered", () => {
  test("open while the KMS is down; what is not remembered, and what is to be wrapped, is unavailable", async () => {
    const { failing, state } = await openFailingKms();
    const elsewhere = await failing.wrap(randomBytes(32), CONTEXT);
    const kms = cacheUnwrapped(failing, { ttlMs: HOUR_MS });
    const [wrappedHere, openedHere] = [randomBytes(32), randomBytes(32)];
    const first = await kms.wrap(wrappedHere, CONTEXT);
    const second = await failing.wrap(openedHere, CONTEXT);
    await kms.unwrap(second, CONTEXT);
    state.down = true;
    expect(await kms.unwrap(first, CONTEXT)).toStrictEqual({ secret: wrappedHere, isCurrent: true });
    expect(await kms.unwrap(second, CONTEXT)).toStrictEqual({ secret: openedHere, isCurrent: true });
    await expect(kms.unwrap(elsewhere, CONTEXT)).rejects.toMatchObject({ reason: "unavailable" });
    await expect(kms.wrap(openedHere, CONTEXT)).rejects.toMatchObject({ reason: "unavailable" });
    await expect(kms.rewrap(second, CONTEXT)).rejects.toMatchObject({ reason: "unavailable" });
    state.down = false;
    expect(await kms.unwrap(elsewhere, CONTEXT)).toBeDefined();
  });

  test("open in their own context alone, as they do without being remembered", async () => {
    const { failing, state } = await openFailingKms();
    const kms = cacheUnwrapped(failing, { ttlMs: HOUR_MS });
    const wrapped = await kms.wrap(randomBytes(32), CONTEXT);
    expect(await kms.unwrap(wrapped, { ...CONTEXT, subject: "another" })).toBeUndefined();
    expect(await kms.unwrap(wrapped, { ...CONTEXT, purpose: "user-key:mail" })).toBeUndefined();
    expect(await kms.unwrap(wrapped, { purpose: "user-key:note", subject: `s${CONTEXT.subject}` })).toBeUndefined();
    expect(state.asked).toBe(4);
  });

  test("are asked for once, however many ask at once and after it", async () => {
    const { failing, state } = await openFailingKms();
    const secret = randomBytes(32);
    const wrapped = await failing.wrap(secret, CONTEXT);
    const kms = cacheUnwrapped(failing, { ttlMs: HOUR_MS });
    state.asked = 0;
    const opened = await Promise.all(Array.from({ length: 20 }, () => kms.unwrap(wrapped, CONTEXT)));
    expect(opened).toStrictEqual(Array(20).fill({ secret, isCurrent: true }));
    await kms.unwrap(wrapped, CONTEXT);
    expect(state.asked).toBe(1);
  });

  test("are forgotten after their time, though they were used in between", async () => {
    const { failing, state } = await openFailingKms();
    const kms = cacheUnwrapped(failing, { ttlMs: 200 });
    const wrapped = await kms.wrap(randomBytes(32), CONTEXT);
    state.down = true;
    const outcome = () =>
      kms.unwrap(wrapped, CONTEXT).then(
        () => "opened",
        (error: AuthError) => error.reason,
      );
    expect(await outcome()).toBe("opened");
    await expect.poll(outcome, { timeout: 5_000 }).toBe("unavailable");
  });

  test("are no more than they may be: the one that was used longest ago goes", async () => {
    const { failing, state } = await openFailingKms();
    const kms = cacheUnwrapped(failing, { ttlMs: HOUR_MS, maxSecrets: 2 });
    const oldest = await kms.wrap(randomBytes(32), CONTEXT);
    const used = await kms.wrap(randomBytes(32), CONTEXT);
    await kms.unwrap(used, CONTEXT);
    await kms.wrap(randomBytes(32), CONTEXT);
    state.down = true;
    await expect(kms.unwrap(oldest, CONTEXT)).rejects.toMatchObject({ reason: "unavailable" });
    expect(await kms.unwrap(used, CONTEXT)).toBeDefined();
  });

  test("are copies: what a caller erases is its own, and what is forgotten stays with who holds it", async () => {
    const { failing } = await openFailingKms();
    const kms = cacheUnwrapped(failing, { ttlMs: HOUR_MS });
    const secret = randomBytes(32);
    const wrapped = await kms.wrap(secret, CONTEXT);
    (await kms.unwrap(wrapped, CONTEXT))?.secret.fill(0);
    const held = await kms.unwrap(wrapped, CONTEXT);
    expect(held?.secret).toStrictEqual(secret);
    kms[Symbol.dispose]();
    expect(held?.secret).toStrictEqual(secret);
  });

  test("that do not open are asked for each time", async () => {
    const { failing, state } = await openFailingKms();
    const kms = cacheUnwrapped(failing, { ttlMs: HOUR_MS });
    await kms.unwrap("kms1.k1.AAAA", CONTEXT);
    await kms.unwrap("kms1.k1.AAAA", CONTEXT);
    expect(state.asked).toBe(2);
  });
});

describe("a provider that is being left", () => {
  test("opens what it wrapped, is never current, and loses a text when it is re-wrapped", async () => {
    const local = await openTestLocalKms();
    const vault = await openStandInKms();
    const secret = randomBytes(32);
    const old = await local.kms.wrap(secret, CONTEXT);
    const kms = combineProviders({ kms: vault.kms, prefix: "vault:" }, [{ kms: local.kms, prefix: "kms1." }]);
    expect(await kms.unwrap(old, CONTEXT)).toStrictEqual({ secret, isCurrent: false });
    const fresh = (await kms.rewrap(old, CONTEXT)) ?? "";
    expect(fresh).toMatch(/^vault:v1:/);
    expect(await kms.unwrap(fresh, CONTEXT)).toStrictEqual({ secret, isCurrent: true });
    expect(await kms.rewrap(old, { ...CONTEXT, subject: "another" })).toBeUndefined();
    expect((await kms.wrap(secret, CONTEXT)).startsWith("vault:")).toBe(true);
  });

  test("opens nothing once it is not configured", async () => {
    const local = await openTestLocalKms();
    const vault = await openStandInKms();
    const old = await local.kms.wrap(randomBytes(32), CONTEXT);
    const kms = combineProviders({ kms: vault.kms, prefix: "vault:" }, []);
    expect(await kms.unwrap(old, CONTEXT)).toBeUndefined();
    expect(await kms.rewrap(old, CONTEXT)).toBeUndefined();
  });
});
