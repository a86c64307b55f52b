import { execFile } from "node:child_process";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { allSealed, insertEvents, tamper } from "./support/audit.ts";
import { loginUser, registerUser } from "./support/client.ts";
import {
  bareEnvironment,
  createServerProcesses,
  type Running,
  type ServerProcesses,
} from "./support/server-processes.ts";
import { createTestDatabase, dropTestDatabase, openTestPool } from "./support/start-app.ts";

const CLI = fileURLToPath(new URL("../dist/cli.js", import.meta.url));
const run = promisify(execFile);

const UNLIMITED = { RATE_LIMIT_LOGIN_IP: "off", RATE_LIMIT_LOGIN_ACCOUNT: "off" };

let databaseUrl: string;
let db: pg.Pool;
let servers: ServerProcesses;
let first: Running;
beforeAll(async () => {
  databaseUrl = await createTestDatabase();
  db = openTestPool(databaseUrl, 3);
  servers = await createServerProcesses();
  first = await servers.start({ DATABASE_URL: databaseUrl, ...UNLIMITED });
});
afterAll(async () => {
  await servers[Symbol.asyncDispose]();
  await db.end();
  await dropTestDatabase(databaseUrl);
});

async function cli(...args: string[]): Promise<{ code: number; said: string }> {
  const options = { cwd: servers.folder, env: bareEnvironment({ DATABASE_URL: databaseUrl }) };
  try {
    return { code: 0, said: (await run(process.execPath, [CLI, ...args], options)).stdout.trim() };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, said: `${stdout}${stderr}`.trim() };
  }
}

const waiting = () =>
  db.query(
    "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%INTO audit_seals%'",
  );

describe("a server that is killed", () => {
  // The events: the demo user's, a registration, and a hundred.
  test("in the middle of a seal leaves a whole chain, and the next one goes on with it", async () => {
    await registerUser(first.url);
    await allSealed({ db });
    const holder = await db.connect();
    await holder.query("BEGIN");
    await holder.query("LOCK TABLE audit_seals IN SHARE MODE");
    await insertEvents({ db }, 100);
    await expect.poll(async () => (await waiting()).rowCount, { timeout: 10_000, interval: 20 }).toBe(1);
    expect(await servers.stop(first.child, "SIGKILL")).toBeNull();
    await holder.query("ROLLBACK");
    holder.release();
    expect((await cli("audit", "verify")).said).toContain("100 wait for a seal");
    first = await servers.start({ DATABASE_URL: databaseUrl, ...UNLIMITED });
    await allSealed({ db });
    const { code, said } = await cli("audit", "verify");
    expect([code, said]).toStrictEqual([
      0,
      expect.stringMatching(/sealed events: 102; none waits\.\nHead: \d+:[0-9a-f]{64}$/),
    ]);
  });
});

describe("`audit verify`", () => {
  test("ends with 1 and a line for each finding; with a head that was kept it sees what was cut off", async () => {
    await insertEvents({ db }, 3);
    await allSealed({ db });
    const head = /^Head: (.*)$/m.exec((await cli("audit", "verify")).said)?.[1] ?? "";
    expect((await cli("audit", "verify", "--expect", head)).code).toBe(0);
    const expected = ["audit", "verify", "--expect", `1:${"0".repeat(64)}`, "--expect", head];
    const wrong = await cli(...expected);
    expect(wrong).toMatchObject({ code: 1, said: expect.stringMatching(/^seal 1 has another hash than you expect/) });

    const { rows } = await db.query<{ ids: string[] }>(
      "SELECT event_ids AS ids FROM audit_seals ORDER BY number DESC LIMIT 1",
    );
    const [changed, gone] = rows[0]?.ids ?? [];
    await tamper(
      { db },
      `UPDATE audit_events SET ip = NULL WHERE id = ${changed}`,
      `DELETE FROM audit_events WHERE id = ${gone}`,
    );
    const { code, said } = await cli("audit", "verify");
    expect(code).toBe(1);
    expect(said.split("\n").slice(0, 3)).toStrictEqual([
      expect.stringMatching(`^event ${changed} was changed after seal `),
      expect.stringMatching(`^event ${gone} of seal \\d+ is gone$`),
      expect.stringMatching(/^The audit trail is NOT whole: findings: 2\. Seals: /),
    ]);
  });

  test.each([
    [["audit", "verify", "--expect", "latest"], /^latest is no head/],
    [["audit", "verify", "--force"], /Usage: npm run cli -- audit verify/],
    [["audit"], /^audit is no command\.[\s\S]*audit verify/],
    [["unlock"], /^Give the email/],
    [["unlock", "nobody@example.com"], /^There is no user nobody@example\.com\.$/],
  ])("%j is refused in a sentence", async (args, words) => {
    const { code, said } = await cli(...args);
    expect([code, said]).toStrictEqual([1, expect.stringMatching(words)]);
    expect(said).not.toContain("    at ");
  });

  test("explains itself", async () => {
    const { code, said } = await cli("audit", "verify", "--help");
    expect([code, said]).toStrictEqual([
      0,
      expect.stringMatching(/^Usage: npm run cli -- audit verify[\s\S]*--expect HEAD/),
    ]);
  });
});

test("`audit archive` moves old events into a file of the operator's alone, and the rest is whole", async () => {
  await tamper({ db }, "TRUNCATE audit_events, audit_seals, audit_anchors, audit_unsealed");
  for (let seal = 0; seal < 2; seal++) {
    await insertEvents({ db }, 5);
    await allSealed({ db });
  }
  const file = join(servers.folder, "audit.jsonl");
  const done = await cli("audit", "archive", "--before", "2999-01-01", "--to", file);
  expect(done).toMatchObject({
    code: 0,
    said: expect.stringMatching(/^5 events in 1 seals are in .*audit\.jsonl, up to 1:[0-9a-f]{64}\.$/),
  });
  expect(
    (await readFile(file, "utf8"))
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).events.length),
  ).toStrictEqual([5]);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  await allSealed({ db });
  expect((await cli("audit", "verify")).said).toContain("The audit trail is whole. Seals: 2; sealed events: 6;");
  const again = await cli("audit", "archive", "--before", "2999-01-01", "--to", file);
  expect(again).toMatchObject({ code: 1, said: expect.stringMatching(/^--to: .*audit\.jsonl/) });
  for (const args of [[], ["--before", "soon", "--to", "x"], ["--before", "2026-01-01"]]) {
    expect((await cli("audit", "archive", ...args)).said).toMatch(/^Give --/);
  }
});

test("`unlock` lets a user who was locked out in again, by email, username or id", async () => {
  const { credentials, user } = await registerUser(first.url);
  for (const name of [credentials.email, credentials.username, user.id]) {
    for (let attempt = 0; attempt < 5; attempt++) await loginUser(first.url, credentials.email, "not the passphrase");
    expect((await loginUser(first.url, credentials.email)).status).toBe(423);
    expect(await cli("unlock", name)).toStrictEqual({ code: 0, said: `${name} may try again.` });
    expect((await loginUser(first.url, credentials.email)).status).toBe(200);
  }
});
