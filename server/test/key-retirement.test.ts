import { cp, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, inject, onTestFinished, test } from "vitest";
import { createAccessTokens } from "../src/crypto/access-tokens.ts";
import { openKeyFolderForCli, openKeys } from "../src/crypto/key-store.ts";
import type { User } from "../src/domain/user.ts";
import { createTestClock } from "./support/test-clock.ts";
import { testKeySettings } from "./support/test-keys.ts";

const ID = "00000000-0000-4000-8000-000000000000";
const SESSION = { id: ID, authenticatedAt: new Date(0) };
const USER = { id: ID, username: "user", roles: ["user"], permissions: [] as string[] } as unknown as User;
const TAKEN_UP = { timeout: 5_000, interval: 50 };

/** A server's keys, and the command line on the same folder. */
async function running() {
  const base = await mkdtemp(join(tmpdir(), "sello-keys-"));
  onTestFinished(() => rm(base, { recursive: true }));
  const dir = join(base, "keys");
  await cp(inject("keysDir"), dir, { recursive: true });
  const settings = testKeySettings(dir);
  const clock = createTestClock();
  const errors: unknown[] = [];
  const keys = await openKeys({ settings, clock, generate: false, onError: (error) => errors.push(error) });
  onTestFinished(() => keys[Symbol.dispose]());
  const tokenSettings = { issuer: "issuer", audience: "audience", ttlS: 900, nested: true };
  const tokens = createAccessTokens({ keys: keys.ring, clock, settings: tokenSettings });
  return { dir, keys, errors, tokens, cli: await openKeyFolderForCli(settings, clock) };
}

describe("the key that signs, when it leaked", () => {
  test("is refused within moments, and its successor signs on without a gap", async () => {
    const { keys, tokens, cli } = await running();
    const leaked = keys.ring.signer().kid;
    const token = await tokens.issue(USER, SESSION);
    await tokens.verify(token);
    expect(await cli.retire(leaked)).toBe(true);
    await expect.poll(() => keys.ring.findVerifier(leaked), TAKEN_UP).toBeUndefined();
    await expect(tokens.verify(token)).rejects.toMatchObject({ reason: "token_invalid" });
    expect(keys.ring.signer().kid).not.toBe(leaked);
    await expect(tokens.verify(await tokens.issue(USER, SESSION))).resolves.toMatchObject({ userId: ID });
    expect(keys.ring.published().keys.map(({ kid }) => kid)).not.toContain(leaked);
  });

  test("goes although a file beside it holds no key, and the running server takes it up", async () => {
    const { dir, keys, errors, cli } = await running();
    await writeFile(join(dir, "sig-ES256-broken.jwk.json"), "{");
    const leaked = keys.ring.signer().kid;
    expect(await cli.retire(leaked)).toBe(true);
    await expect.poll(() => keys.ring.findVerifier(leaked), TAKEN_UP).toBeUndefined();
    expect(errors.map(String)).toContainEqual(expect.stringContaining("sig-ES256-broken.jwk.json is not a key file"));
  });

  test("and was deleted by hand is used no more, also when no other is active", async () => {
    const { dir, keys, tokens } = await running();
    const token = await tokens.issue(USER, SESSION);
    const signing = (await readdir(dir)).filter((name) => name.startsWith("sig-"));
    await Promise.all(signing.map((name) => rm(join(dir, name))));
    await expect.poll(() => keys.ring.all().some(({ use }) => use === "sig"), TAKEN_UP).toBe(false);
    await expect(tokens.issue(USER, SESSION)).rejects.toMatchObject({ reason: "unavailable" });
    await expect(tokens.verify(token)).rejects.toMatchObject({ reason: "token_invalid" });
  });
});

test("a key whose file turned unreadable stays in use until it can be read again", async () => {
  const { dir, keys, errors, tokens } = await running();
  const { kid } = keys.ring.signer();
  const [file = ""] = (await readdir(dir)).filter((name) => name.includes(kid));
  await writeFile(join(dir, file), "{");
  await expect.poll(() => errors.length, TAKEN_UP).toBeGreaterThan(0);
  expect(keys.ring.signer().kid).toBe(kid);
  await expect(tokens.verify(await tokens.issue(USER, SESSION))).resolves.toMatchObject({ userId: ID });
});

test("a key that nobody has is not retired", async () => {
  const { cli } = await running();
  expect(await cli.retire("nobody")).toBe(false);
});
