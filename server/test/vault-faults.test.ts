import { beforeEach, describe, expect, test } from "vitest";
import { AuthError } from "../src/domain/errors.ts";
import type { KmsProvider } from "../src/service/rewrap-ports.ts";
import { openVault } from "./support/kms-providers.ts";
import { startVaultStandIn, type VaultStandIn } from "./support/vault-stand-in.ts";

const CONTEXT = { purpose: "user-key:notes", subject: "018f0000-0000-7000-8000-000000000001" };
const SECRET = Buffer.alloc(32, 7);

let vault: VaultStandIn;
let kms: KmsProvider;
let wrapped: string;
beforeEach(async () => {
  vault = await startVaultStandIn();
  kms = await openVault({ address: vault.address, readToken: async () => vault.token });
  wrapped = await kms.wrap(SECRET, CONTEXT);
});

/** Each use of the KMS, and what it is refused with. */
async function refusals(): Promise<AuthError[]> {
  const uses = [kms.wrap(SECRET, CONTEXT), kms.unwrap(wrapped, CONTEXT), kms.rewrap(wrapped, CONTEXT)];
  const settled = await Promise.allSettled(uses);
  return settled.map((result) => (result as PromiseRejectedResult).reason as AuthError);
}

function everythingOf(error: unknown): string {
  const { message, stack, cause, ...more } = error as Error;
  return `${message} ${stack} ${JSON.stringify(more)} ${cause === undefined ? "" : everythingOf(cause)}`;
}

async function expectUnavailable(because: RegExp): Promise<void> {
  const errors = await refusals();
  for (const error of errors) {
    expect(error).toBeInstanceOf(AuthError);
    expect(error.reason).toBe("unavailable");
    const told = everythingOf(error);
    expect(told).not.toContain(vault.token);
    expect(told).not.toContain(SECRET.toString("base64"));
  }
  // The first is told the cause; those after it, perhaps, that Vault is known to be down.
  expect(errors.map(everythingOf).join()).toMatch(because);
}

/** A breaker lets one look again after a second. */
function expectRecovery() {
  return expect
    .poll(() => kms.unwrap(wrapped, CONTEXT).catch(() => undefined), { timeout: 5_000 })
    .toMatchObject({
      secret: SECRET,
    });
}

describe("a Vault that cannot be used is unavailable, with the cause for the log and never the token", () => {
  const echo = (status: number) => ({ status, body: { errors: ["you sent", vault.token] } });

  test.each([
    [429, /is busy, or a standby \(429\)/],
    [472, /standby for disaster recovery \(472\)/],
    [473, /standby for performance \(473\)/],
    [503, /is sealed/],
    [500, /failed \(500\)/],
    [502, /by its proxy \(502\)/],
    [412, /lags behind/],
    [307, /is not followed \(307\)/],
    [403, /denies it: the token ended, or its policy lacks the path/],
    [404, /no such mount, or no such key/],
    [204, /did not do what was asked \(204\)/],
    [418, /did not do what was asked \(418\)/],
  ])("when it answers %i, and it is used again when that is over", async (status, because) => {
    vault.answerAll(echo(status));
    await expectUnavailable(because);
    vault.answerAll(undefined);
    await expectRecovery();
  });

  test.each([
    ["no JSON", "<html>", /no JSON object/],
    ["an array", "[]", /no JSON object/],
    ["no data", "{}", /did not do what was asked/],
    ["data without what was asked for", '{"data":{}}', /of its own form/],
    ["a text of another form", '{"data":{"ciphertext":"vault:v1:AAAA","plaintext":"!"}}', /of its own form/],
    ["more than it can have to say", `{"data":"${"x".repeat(100_000)}"}`, /more than it can have to say/],
  ])("when it answers %s", async (_what, body, because) => {
    vault.answerAll({ status: 200, body });
    await expectUnavailable(because);
    vault.answerAll(undefined);
    await expectRecovery();
  });

  test("when nothing listens there, and it is found again", async () => {
    await vault.stop();
    await expectUnavailable(/ECONNREFUSED|ECONNRESET|socket hang up/);
    await vault.start();
    await expectRecovery();
  });

  test("when it takes requests and says nothing: in a second, then at once", async () => {
    vault.beSilent(true);
    const began = performance.now();
    await expectUnavailable(/did not answer within 1000 ms/);
    expect(performance.now() - began).toBeLessThan(2_000);
    const again = performance.now();
    await expectUnavailable(/breaker is open/);
    expect(performance.now() - again).toBeLessThan(100);
    vault.beSilent(false);
    await expectRecovery();
  });

  test("for as long as a throttled one asks to be left alone", async () => {
    vault.answerAll({ status: 429, headers: { "retry-after": "2" } });
    await expectUnavailable(/\(429\)/);
    vault.answerAll(undefined);
    const asked = vault.seen.length;
    const began = performance.now();
    await expectRecovery();
    expect(performance.now() - began).toBeGreaterThan(1_800);
    expect(vault.seen.length).toBe(asked + 1);
  });

  test("when its key is gone: that says nothing of the text, and no key is made in its place", async () => {
    const key = vault.keys.get(vault.transitKey);
    vault.keys.clear();
    await expectUnavailable(/no Transit key of that name/);
    expect(vault.keys.size).toBe(0);
    vault.keys.set(vault.transitKey, key as NonNullable<typeof key>);
    await expectRecovery();
  });
});

describe("a text that does not open is no fault of Vault's", () => {
  test.each([
    ["a text of a version that does not exist", () => wrapped.replace("v1", "v9")],
    ["a text of another key", () => wrapped.replace(/.{40}$/, "A".repeat(38).concat("A="))],
  ])("%s is undefined, and the next one is asked for", async (_what, text) => {
    expect(await kms.unwrap(text(), CONTEXT)).toBeUndefined();
    expect(await kms.unwrap(wrapped, CONTEXT)).toMatchObject({ secret: SECRET });
  });

  test("a text of another form is not even sent", async () => {
    const asked = vault.seen.length;
    for (const text of ["", "kms1.k1.AAAA", "vault:v0:AAAA", `vault:v1:${"A".repeat(39)}`, "vault:v1:../../sys/seal"]) {
      expect(await kms.unwrap(text, CONTEXT)).toBeUndefined();
      expect(await kms.rewrap(text, CONTEXT)).toBeUndefined();
    }
    expect(vault.seen.length).toBe(asked);
  });
});

describe("a start", () => {
  const open = (more: Partial<Parameters<typeof openVault>[0]> = {}) =>
    openVault({ address: vault.address, readToken: async () => vault.token, ...more });

  test.each([
    ["Vault is sealed", () => vault.answerAll({ status: 503, body: { errors: ["Vault is sealed"] } }), /is sealed/],
    ["Vault is away", () => vault.stop(), /could not be asked/],
    ["the key is missing", () => vault.keys.clear(), /has no Transit key sello under transit/],
    ["the token is unknown", () => vault.tokens.clear(), /does not take the token/],
    ["the policy has no encrypt", () => vault.deny("transit/encrypt/"), /policy lacks the path/],
    ["the policy has no decrypt", () => vault.deny("transit/decrypt/"), /policy lacks the path/],
    ["the policy has no rewrap", () => vault.deny("transit/rewrap/"), /policy lacks the path/],
    ["the policy has no look at the key", () => vault.deny("transit/keys/"), /policy lacks the path/],
  ])("fails when %s, in words without the token", async (_what, act, words) => {
    await act();
    const error = await open().catch((failure: unknown) => failure);
    expect(error).toMatchObject({ name: "VaultError", message: expect.stringMatching(words) });
    expect(everythingOf(error)).not.toContain(vault.token);
  });

  test.each([
    ["of another type", { type: "rsa-4096" }],
    ["that is not derived, and would bind nothing", { derived: false }],
    ["that is convergent, and would show equal secrets", { convergent: true }],
  ])("fails on a key %s", async (_what, key) => {
    const other = await startVaultStandIn({ key });
    const opening = openVault({ address: other.address, readToken: async () => other.token });
    await expect(opening).rejects.toThrow("must be of type=aes256-gcm96 and derived=true, not convergent");
  });

  test("fails when what it takes for Vault opens a text in any context", async () => {
    const other = await startVaultStandIn({ key: { derived: false } });
    const key = other.keys.get(other.transitKey) as { derived: boolean };
    // It says that the key is derived, and derives nothing.
    let asked = 0;
    Object.defineProperty(key, "derived", { get: () => asked++ === 0 });
    const opening = openVault({ address: other.address, readToken: async () => other.token });
    await expect(opening).rejects.toThrow("does not open in its own context alone");
  });

  test.each([
    ["nothing", ""],
    ["two lines", "a\nb"],
  ])("fails on a token that is %s", async (_what, token) => {
    await expect(open({ readToken: async () => token })).rejects.toThrow("the token of Vault is empty, or no text");
  });
});

test("connections that Vault closes just when they are used again cost nobody a call", async () => {
  const many = () => Promise.all(Array.from({ length: 8 }, () => kms.unwrap(wrapped, CONTEXT)));
  for (let round = 0; round < 10; round++) {
    await many();
    vault.dropConnections();
    expect(await many()).toStrictEqual(Array(8).fill({ secret: SECRET, isCurrent: true }));
  }
});
