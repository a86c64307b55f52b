import { randomBytes } from "node:crypto";
import bcrypt from "bcryptjs";
import { describe, expect, test } from "vitest";
import { loginUser, newUser, PASSWORD, registerUser } from "./support/client.ts";
import { startAppForTest, type TestApp } from "./support/start-app.ts";

const WRONG = "not the passphrase";
const TODAY = { ARGON2_MEMORY_KIB: "8192", ARGON2_PASSES: "2", LOCKOUT_THRESHOLD: "1000000", LOG_LEVEL: "error" };

/** An answer as it goes over the wire, without what differs between any two. */
async function answerOf(url: string, identifier: string): Promise<unknown> {
  const response = await fetch(`${url}/auth/login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ identifier, password: WRONG }),
  });
  const headers = Object.fromEntries([...response.headers].filter(([name]) => !/^(date|x-request-id)$/.test(name)));
  return { status: response.status, headers, body: Buffer.from(await response.arrayBuffer()).toString("hex") };
}

describe("whether somebody has an account", () => {
  test("does not show in the answer of a login or of a lock, to the byte", async () => {
    const server = await startAppForTest();
    const { credentials } = await registerUser(server.url);
    const stranger = newUser();
    for (let attempt = 0; attempt < 8; attempt++) {
      const known = await answerOf(server.url, credentials.email);
      expect(await answerOf(server.url, stranger.email)).toStrictEqual(known);
    }
  });

  test("does not show for a user who is disabled", async () => {
    const server = await startAppForTest();
    const { credentials, user } = await registerUser(server.url);
    await server.db.query("UPDATE users SET disabled_at = now() WHERE id = $1", [user.id]);
    const right = await loginUser(server.url, credentials.email);
    const unknown = await loginUser(server.url, newUser().email);
    expect([right.status, right.body]).toStrictEqual([unknown.status, unknown.body]);
  });

  test("does not show in the time of the answer", { timeout: 120_000 }, async () => {
    const server = await startAppForTest({ env: TODAY });
    const { credentials } = await registerUser(server.url);
    await expectSameTime(server, credentials.email, 300);
  });

  test.each([
    ["lighter parameters of argon2id", argon2Hash({ memoryKib: 1024, passes: 1 })],
    ["heavier parameters of argon2id", argon2Hash({ memoryKib: 16_384, passes: 3 })],
    ["bcrypt", bcrypt.hashSync(PASSWORD, 7)],
  ])("does not show in the time where hashes are still of %s", { timeout: 120_000 }, async (_name, hash) => {
    const server = await startAppForTest({ env: TODAY });
    const { credentials } = await registerUser(server.url);
    await server.db.query("UPDATE users SET password_hash = $1", [hash]);
    await expectSameTime(server, credentials.email, 100);
  });
});

describe("what an unknown identifier costs", () => {
  const unknown = () => ({ kind: "email" as const, key: newUser().email });
  const costOf = async (server: TestApp, identifier = unknown()) =>
    (await server.app.deps.logins.begin(identifier, server.clock.now())).passwordHash;

  test("is what some account costs, each parameters as often as accounts have them", async () => {
    const server = await startAppForTest();
    await server.db.query(
      `INSERT INTO users (id, email, username, username_key, password_hash, password_changed_at, created_at)
      SELECT gen_random_uuid(), n, n, n, CASE WHEN n < 50 THEN 'old' ELSE 'new' END, now(), now() FROM generate_series(1, 200) AS n`,
    );
    const costs = await Promise.all(Array.from({ length: 400 }, () => costOf(server)));
    const old = costs.filter((hash) => hash === "old").length / costs.length;
    expect(new Set(costs)).toStrictEqual(new Set(["old", "new"]));
    expect(old).toBeGreaterThan(0.05);
    expect(old).toBeLessThan(0.5);
  });

  test("is the same each time, on every replica and after a restart", async () => {
    const server = await startAppForTest();
    for (let i = 0; i < 8; i++) await registerUser(server.url);
    const replica = await startAppForTest({ databaseUrl: server.databaseUrl, keysDir: server.keysDir });
    const identifiers = Array.from({ length: 8 }, unknown);
    const costs = async (on: TestApp) => Promise.all(identifiers.map((identifier) => costOf(on, identifier)));
    const first = await costs(server);
    expect(await costs(replica)).toStrictEqual(first);
    expect(new Set(first).size).toBeGreaterThan(1);
  });

  test("lets nobody in, though the password be that of the account whose hash it costs", async () => {
    const server = await startAppForTest();
    await registerUser(server.url);
    const answer = await loginUser(server.url, newUser().email, PASSWORD);
    expect([answer.status, answer.body.error.code]).toStrictEqual([401, "invalid_credentials"]);
  });

  test("is a hash of today where there is no account at all", async () => {
    const server = await startAppForTest();
    expect((await loginUser(server.url, newUser().email, PASSWORD)).status).toBe(401);
    expect(await costOf(server)).toBeUndefined();
  });
});

async function expectSameTime(server: TestApp, knownName: string, pairs: number): Promise<void> {
  const stranger = newUser().email;
  const timed = async (identifier: string) => {
    const begun = performance.now();
    await loginUser(server.url, identifier, WRONG);
    return performance.now() - begun;
  };
  for (let i = 0; i < 20; i++) await Promise.all([timed(knownName), timed(stranger)]);

  const known: number[] = [];
  const unknown: number[] = [];
  const kinds = [
    { identifier: knownName, times: known },
    { identifier: stranger, times: unknown },
  ];
  for (let pair = 0; pair < pairs; pair++) {
    // Each goes first as often as second: whatever the first pays for both is paid by either.
    for (const { identifier, times } of pair % 2 === 0 ? kinds : kinds.toReversed()) {
      times.push(await timed(identifier));
    }
  }
  const rank = probabilityOfSlower(known, unknown);
  expect(rank).toBeGreaterThan(0.4);
  expect(rank).toBeLessThan(0.6);
}

/** A hash of these parameters that no password is known for. */
function argon2Hash({ memoryKib, passes }: { memoryKib: number; passes: number }): string {
  const [salt, hash] = [16, 32].map((bytes) => randomBytes(bytes).toString("base64").replace(/=+$/, ""));
  return `$argon2id$v=19$m=${memoryKib},t=${passes},p=1$${salt}$${hash}`;
}

/** How often one of the first is slower than one of the second (Mann-Whitney): 0.5 when nothing tells them apart. */
function probabilityOfSlower(first: number[], second: number[]): number {
  let slower = 0;
  for (const a of first) for (const b of second) slower += a > b ? 1 : a === b ? 0.5 : 0;
  return slower / (first.length * second.length);
}
