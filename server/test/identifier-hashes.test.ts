import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { createIdentifierHashes } from "../src/crypto/hash-identifier.ts";
import { loginUser, registerUser } from "./support/client.ts";
import { startAppForTest } from "./support/start-app.ts";
import { dumpDatabase } from "./support/stored.ts";

const KEY = Buffer.from("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "hex");
const WRONG = "not the passphrase";
const sha256 = (...parts: (string | Buffer)[]) =>
  createHash("sha256")
    .update(Buffer.concat(parts.map((part) => Buffer.from(part))))
    .digest();

describe("the hash of an identifier", () => {
  test("is HMAC-SHA-256 over purpose and text, as Python has it", () => {
    const hashes = createIdentifierHashes(KEY);
    expect(hashes.attempt("ann@example.com").toString("hex")).toBe(
      "d1a524d6e134c4bd8fbcce91d97e64d57676d35fbcb198262e4a37101188e94a",
    );
    expect(hashes.unknownName("ann@example.com")).toBe(
      "0dca0b8f5621d1d984a710120f204430f5907b2518b4a796a94e8e84e458796b",
    );
    expect(hashes.decoyId("ann@example.com")).toBe("e91c9f61-c61f-df78-13eb-86f33ab38479");
    expect(Buffer.from(hashes.rateLimit("ann@example.com"), "base64url").toString("hex")).toBe(
      "ebbbbb1ae8e95461c394216179252b9df852cee255fced34671606a7bf749701",
    );
  });

  test("is another one under another key, and takes no key that is too short", () => {
    const other = createIdentifierHashes(Buffer.alloc(32, 1));
    expect(other.unknownName("ann")).not.toBe(createIdentifierHashes(KEY).unknownName("ann"));
    expect(() => createIdentifierHashes(Buffer.alloc(16))).toThrow("32 bytes");
  });
});

describe("what a dump of the database holds of a password that was typed as an identifier", () => {
  const typed = "correct horse battery staple";

  test("is nothing that a guess can be checked against", async () => {
    const server = await startAppForTest();
    await registerUser(server.url);
    await loginUser(server.url, typed, WRONG);
    const dump = await dumpDatabase(server.db);
    expect(dump).toMatch(/login_attempts[\s\S]*login_lockouts|login_lockouts[\s\S]*login_attempts/);
    const { rows } = await server.db.query<{ key: Buffer }>("SELECT key FROM decoy_key");
    const hashed = [Buffer.from(typed), sha256(typed), sha256(rows[0]?.key ?? "", typed).subarray(0, 16)];
    const guesses = [typed, ...hashed.flatMap((bytes) => ["hex", "base64"].map((as) => bytes.toString(as as "hex")))];
    for (const guess of guesses) expect(dump.replaceAll("-", "")).not.toContain(guess);
  });

  test("is one count, whichever replica it was typed at, and however it was spelt", async () => {
    const here = await startAppForTest({ env: { LOCKOUT_THRESHOLD: "2" } });
    const there = await startAppForTest({
      env: { LOCKOUT_THRESHOLD: "2" },
      databaseUrl: here.databaseUrl,
      keysDir: here.keysDir,
    });
    await loginUser(here.url, typed, WRONG);
    await loginUser(there.url, typed.toUpperCase(), WRONG);
    expect((await loginUser(here.url, typed, WRONG)).status).toBe(423);
    expect((await loginUser(there.url, typed, WRONG)).status).toBe(423);
  });
});

test("the failures of a name begin anew when somebody takes it", async () => {
  const server = await startAppForTest({ env: { LOCKOUT_THRESHOLD: "2" } });
  const credentials = { email: "ann@example.com", username: "ann", password: "a long enough passphrase" };
  await loginUser(server.url, "ann", WRONG);
  await loginUser(server.url, "ann", WRONG);
  expect((await loginUser(server.url, "ann", WRONG)).status).toBe(423);
  await registerUser(server.url, credentials);
  expect((await loginUser(server.url, "ann")).status).toBe(200);
});
