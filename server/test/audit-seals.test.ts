import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { rotateKmsKey } from "../src/open-kms.ts";
import { createAuditSeals } from "../src/postgres/audit-seals.ts";
import { formatHead } from "../src/service/seal-audit.ts";
import {
  allSealed,
  insertEvents,
  seal,
  startTrail,
  type Trail,
  tamper,
  trailOf,
  verifyTrail,
  WALL_CLOCK,
} from "./support/audit.ts";
import { loginUser, registerUser } from "./support/client.ts";
import { startAppForTest } from "./support/start-app.ts";

const start = () => startAppForTest({ overrides: { clock: WALL_CLOCK } });
const sealsOf = async (trail: Pick<Trail, "db">) =>
  (
    await trail.db.query<{ number: string; event_ids: string[]; complete: boolean }>(
      "SELECT number, event_ids, complete FROM audit_seals ORDER BY number",
    )
  ).rows;

describe("a server", () => {
  test("seals each event within moments, and the chain holds", async () => {
    const server = await start();
    const { credentials } = await registerUser(server.url);
    await allSealed(server);
    await loginUser(server.url, credentials.email);
    await allSealed(server);
    const seals = await sealsOf(server);
    expect(seals.map(({ number }) => number)).toStrictEqual(["1", "2"]);
    expect(seals.flatMap(({ event_ids }) => event_ids)).toHaveLength(2);
    expect(await verifyTrail(await trailOf(server))).toMatchObject({
      said: [],
      seals: 2,
      events: 2,
      waiting: 0,
      head: { number: 2 },
    });
  });

  test("tells of the head in its log, and of what waits in its metrics", async () => {
    const server = await start();
    await registerUser(server.url);
    await allSealed(server);
    const { head } = await verifyTrail(await trailOf(server));
    const replica = await startAppForTest({ databaseUrl: server.databaseUrl, keysDir: server.keysDir });
    const line = { msg: "the head of the audit chain", detail: head && formatHead(head) };
    await expect.poll(() => replica.logs, { timeout: 5_000 }).toContainEqual(expect.objectContaining(line));
    const metrics = await (await fetch(`http://127.0.0.1:${server.app.metricsPort}/metrics`)).text();
    expect(metrics).toMatch(/^sello_audit_oldest_unsealed_seconds\S* 0$/m);
    expect(metrics).toMatch(/^sello_audit_seals_failed\S* 0$/m);
  });

  test("that cannot seal goes on serving, says so once, counts it, and makes up for it", async () => {
    const server = await start();
    await server.db.query("ALTER TABLE audit_seals ADD CONSTRAINT no_more CHECK (false) NOT VALID");
    const { credentials } = await registerUser(server.url);
    const failed = async () => {
      const metrics = await (await fetch(`http://127.0.0.1:${server.app.metricsPort}/metrics`)).text();
      return Number(/^sello_audit_seals_failed\S* (\d+)$/m.exec(metrics)?.[1]);
    };
    await expect.poll(failed, { timeout: 10_000 }).toBeGreaterThan(1);
    expect((await loginUser(server.url, credentials.email)).status).toBe(200);
    expect(server.logs.filter(({ msg }) => String(msg).startsWith("the audit trail could not be sealed"))).toHaveLength(
      1,
    );
    await server.db.query("ALTER TABLE audit_seals DROP CONSTRAINT no_more");
    await allSealed(server);
    expect(await verifyTrail(await trailOf(server))).toMatchObject({ said: [], events: 2 });
  });

  test("notices that the chain lost a seal that it knew", async () => {
    const server = await start();
    await registerUser(server.url);
    await allSealed(server);
    await tamper(server, "TRUNCATE audit_seals", "TRUNCATE audit_events");
    await registerUser(server.url);
    const line = { level: "error", msg: expect.stringContaining("lost a seal that was there") };
    await expect.poll(() => server.logs, { timeout: 5_000 }).toContainEqual(expect.objectContaining(line));
  });
});

describe("replicas that start together", () => {
  test("make one key and one chain", async () => {
    const first = await start();
    const replicas = await Promise.all(
      [1, 2].map(() => startAppForTest({ databaseUrl: first.databaseUrl, keysDir: first.keysDir })),
    );
    const servers = [first, ...replicas];
    for (let round = 0; round < 5; round++) {
      await Promise.all(servers.map(({ url }) => registerUser(url)));
      await insertEvents(first, 1500);
      await allSealed(first);
    }
    expect((await first.db.query("SELECT FROM audit_key")).rowCount).toBe(1);
    expect(await verifyTrail(await trailOf(first))).toMatchObject({ said: [], events: 5 * 1503 });
    for (const { logs } of servers) expect(logs.filter(({ level }) => level === "error")).toStrictEqual([]);
  });
});

describe("the key of the chain", () => {
  test("that is gone is not replaced: the chain does not go on", async () => {
    const server = await start();
    await registerUser(server.url);
    await allSealed(server);
    await tamper(server, "DELETE FROM audit_key");
    await expect(trailOf(server)).rejects.toThrow("is gone from audit_key");
    await server.app[Symbol.asyncDispose]();
    const replica = await startAppForTest({ databaseUrl: server.databaseUrl, keysDir: server.keysDir });
    await insertEvents(server, 1);
    const line = { level: "error", msg: expect.stringContaining("could not be sealed") };
    await expect.poll(() => replica.logs, { timeout: 5_000 }).toContainEqual(expect.objectContaining(line));
    expect((await server.db.query("SELECT FROM audit_key")).rowCount).toBe(0);
  });

  test("is wrapped anew at a start after the master key was rotated", async () => {
    const server = await start();
    await registerUser(server.url);
    await allSealed(server);
    const { key } = await trailOf(server);
    const wrapped = async () => (await server.db.query("SELECT wrapped FROM audit_key")).rows[0].wrapped;
    const before = await wrapped();
    await rotateKmsKey(join(server.keysDir, "kms.key"), WALL_CLOCK);
    await server.app[Symbol.asyncDispose]();
    const replica = await startAppForTest({ databaseUrl: server.databaseUrl, keysDir: server.keysDir });
    await insertEvents(server, 1);
    await allSealed(server);
    expect(await wrapped()).not.toBe(before);
    expect((await trailOf(replica)).key).toStrictEqual(key);
  });
});

describe("a seal", () => {
  test("takes up an event with a lower id that commits after a higher one; ids rolled back are no finding", async () => {
    const trail = await startTrail();
    const insert = `INSERT INTO audit_events (occurred_at, type, result, user_agent, request_id)
      VALUES (now(), 'login.failed', 'failure', '', '') RETURNING id`;
    const late = await trail.db.connect();
    await late.query("BEGIN");
    const lower = (await late.query<{ id: string }>(insert)).rows[0]?.id;
    await trail.db.query(`BEGIN; ${insert}; ROLLBACK`);
    const higher = (await trail.db.query<{ id: string }>(insert)).rows[0]?.id;
    await seal(trail);
    await late.query("COMMIT");
    late.release();
    await seal(trail);
    expect((await sealsOf(trail)).map(({ event_ids }) => event_ids)).toStrictEqual([[higher], [lower]]);
    expect(Number(lower)).toBeLessThan(Number(higher) - 1);
    expect((await verifyTrail(trail)).said).toStrictEqual([]);
  });

  test("holds a thousand events at the most, and says whether it left any behind", async () => {
    const trail = await startTrail();
    await insertEvents(trail, 2500);
    expect(await seal(trail)).toBe(2500);
    const seals = await sealsOf(trail);
    expect(seals.map(({ event_ids, complete }) => [event_ids.length, complete])).toStrictEqual([
      [1000, false],
      [1000, false],
      [500, true],
    ]);
  });

  test("is one server's at a time: another does not wait", async () => {
    const trail = await startTrail();
    await insertEvents(trail, 10);
    const seals = createAuditSeals(trail.db);
    const refuse = () => {
      throw new Error("there was nothing to make");
    };
    const holder = await trail.db.connect();
    await holder.query("BEGIN");
    await holder.query("SELECT pg_advisory_xact_lock(7310600815532617)");
    expect(await seals.sealNext(10, refuse)).toBeUndefined();
    await holder.query("ROLLBACK");
    holder.release();
    expect(await seal(trail)).toBe(10);
    expect(await seals.sealNext(10, refuse)).toBeUndefined();
  });

  test("of ten thousand events is made in seconds", async () => {
    const trail = await startTrail();
    await insertEvents(trail, 10_000);
    const begun = performance.now();
    expect(await seal(trail)).toBe(10_000);
    expect(performance.now() - begun).toBeLessThan(10_000);
    expect(await verifyTrail(trail)).toMatchObject({ said: [], seals: 10, events: 10_000 });
  });
});
