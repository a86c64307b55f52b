import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { systemClock } from "../src/clock.ts";
import { rotateKmsKey } from "../src/open-kms.ts";
import { type Backend, backend, newServiceAccount, reasonOf } from "./support/backend.ts";
import { startApp, startAppForTest, type TestApp } from "./support/start-app.ts";

let server: TestApp;
let kms: Backend["kms"];
beforeAll(async () => {
  server = await startApp();
  kms = backend(server.url, await newServiceAccount(server)).kms;
});
afterAll(() => server[Symbol.asyncDispose]());

const FOR = { userId: "018f0000-0000-7000-8000-00000000000a", purpose: "notes" };
const OTHER_USER = "018f0000-0000-7000-8000-00000000000b";

describe("a user's key", () => {
  test("is 32 new random bytes each time, and opens from its wrapped form", async () => {
    const [first, second] = [await kms.createUserKey(FOR), await kms.createUserKey(FOR)];
    expect(first.key).toHaveLength(32);
    expect(first.key).not.toStrictEqual(second.key);
    const opened = await kms.decryptKey({ ...FOR, wrappedKey: first.wrappedKey });
    expect(opened.key).toStrictEqual(first.key);
    expect(opened.rewrappedKey).toBeUndefined();
  });

  test("opens however its user's id is spelt", async () => {
    const { key, wrappedKey } = await kms.createUserKey({ ...FOR, userId: FOR.userId.toUpperCase() });
    expect((await kms.decryptKey({ ...FOR, wrappedKey })).key).toStrictEqual(key);
  });

  test("opens on a replica, and comes wrapped anew once the master key was rotated", async () => {
    const own = await startAppForTest();
    const replica = await startAppForTest({ databaseUrl: own.databaseUrl, keysDir: own.keysDir });
    const secret = await newServiceAccount(own);
    const { key, wrappedKey } = await backend(own.url, secret).kms.createUserKey(FOR);
    const there = backend(replica.url, secret).kms;
    expect((await there.decryptKey({ ...FOR, wrappedKey })).rewrappedKey).toBeUndefined();
    await rotateKmsKey(join(own.keysDir, "kms.key"), systemClock);
    const rewrapped = await vi.waitFor(
      async () => {
        const opened = await there.decryptKey({ ...FOR, wrappedKey });
        expect(opened.key).toStrictEqual(key);
        expect(opened.rewrappedKey).toBeDefined();
        return opened.rewrappedKey ?? "";
      },
      { timeout: 5_000, interval: 50 },
    );
    const again = await backend(own.url, secret).kms.decryptKey({ ...FOR, wrappedKey: rewrapped });
    expect(again).toMatchObject({ key });
    expect(again.rewrappedKey).toBeUndefined();
  });

  test("opens for no other user and no other purpose, and not when it was altered, with one answer", async () => {
    const { wrappedKey } = await kms.createUserKey(FOR);
    const [version, keyId, sealed] = wrappedKey.split(".");
    const bad = [
      { ...FOR, userId: OTHER_USER, wrappedKey },
      { ...FOR, purpose: "mail", wrappedKey },
      { ...FOR, wrappedKey: `${version}.unknown.${sealed}` },
      { ...FOR, wrappedKey: `${version}.${keyId}.${sealed?.slice(0, -4)}` },
      { ...FOR, wrappedKey: wrappedKey.slice(0, -1) },
      { ...FOR, wrappedKey: "" },
      { ...FOR, wrappedKey: "x".repeat(100_000) },
    ];
    const answers = await Promise.all(bad.map((request) => kms.decryptKey(request).catch(String)));
    expect(new Set(answers)).toStrictEqual(
      new Set([
        "ConnectError: [invalid_argument] wrapped_key: does not open; it must be as CreateUserKey returned it, for the same user_id and purpose",
      ]),
    );
    const { rows } = await server.db.query(
      `SELECT a.subject_id, a.detail, s.name FROM audit_events AS a JOIN service_accounts AS s ON s.id = a.actor_id
      WHERE a.type = 'user_data.integrity_failed' ORDER BY a.id`,
    );
    expect(rows).toHaveLength(bad.length);
    const recorded = rows.map(({ subject_id, detail }) => `${subject_id} ${detail.what}`);
    expect(recorded).toContain(`${OTHER_USER} a wrapped key for notes`);
    expect(recorded).toContain(`${FOR.userId} a wrapped key for mail`);
  });

  test("is never a root of a channel, nor anything else that the server wraps for itself", async () => {
    const wrappedKey = await server.app.deps.kms.wrap(Buffer.alloc(32), { purpose: "notes", subject: FOR.userId });
    expect(await reasonOf(kms.decryptKey({ ...FOR, wrappedKey }))).toBe("validation_failed");
  });

  test.each([
    ["user_id", { userId: "" }],
    ["user_id", { userId: "demo" }],
    ["user_id", { userId: `${FOR.userId}\n` }],
    ["purpose", { purpose: "" }],
    ["purpose", { purpose: "Notes" }],
    ["purpose", { purpose: "a:b" }],
    ["purpose", { purpose: "a".repeat(65) }],
  ])("is not made for a bad %s", async (field, bad) => {
    const made = kms.createUserKey({ ...FOR, ...bad });
    await expect(made).rejects.toThrow(`${field}: must be`);
    expect(await reasonOf(made)).toBe("validation_failed");
    expect(await reasonOf(kms.decryptKey({ ...FOR, ...bad, wrappedKey: "x" }))).toBe("validation_failed");
  });

  test("leaves nothing in the log", async () => {
    const { key, wrappedKey } = await kms.createUserKey(FOR);
    const lines = JSON.stringify(server.logs);
    for (const text of [wrappedKey, Buffer.from(key).toString("base64"), Buffer.from(key).toString("hex")]) {
      expect(lines).not.toContain(text);
    }
  });
});
