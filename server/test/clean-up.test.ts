import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cleanUp } from "../src/postgres/clean-up.ts";
import { call, loginUser, me, newUser, refresh, registerUser } from "./support/client.ts";
import { startApp, type TestApp } from "./support/start-app.ts";

const DAY_S = 86_400;

let server: TestApp;
beforeAll(async () => {
  server = await startApp();
});
afterAll(() => server[Symbol.asyncDispose]());

const run = () => cleanUp(server.app.stores.database, server.clock.now());
const count = async (table: string, where: string, value: unknown) =>
  (await server.db.query(`SELECT FROM ${table} WHERE ${where} = $1`, [value])).rowCount;

describe("the clean-up", () => {
  test("deletes nothing that is young", async () => {
    const first = await registerUser(server.url);
    await refresh(server.url, first.refresh_token);
    await loginUser(server.url, newUser().email);
    await call(`${server.url}/auth/logout`, { body: { refresh_token: first.refresh_token } });
    expect(await run()).toBe(0);
  });

  test("keeps used tokens of a session that lives: a replay is still known for what it is", async () => {
    const first = await registerUser(server.url);
    const second = await refresh(server.url, first.refresh_token);
    await refresh(server.url, second.body.refresh_token);
    server.clock.advance(6 * DAY_S);
    await run();
    expect((await refresh(server.url, first.refresh_token)).body.error.code).toBe("refresh_reused");
  });

  test("deletes a session with its tokens a day after its end, and no other", async () => {
    const old = await registerUser(server.url);
    await refresh(server.url, old.refresh_token);
    const { sessionId } = await server.app.deps.accessTokens.verify(old.access_token);
    server.clock.advance(7 * DAY_S);
    const young = await loginUser(server.url, old.credentials.email);
    server.clock.advance(DAY_S);
    await run();
    expect(await count("sessions", "id", sessionId)).toBe(1);
    server.clock.advance(1);
    await run();
    expect(await count("sessions", "id", sessionId)).toBe(0);
    expect(await count("refresh_tokens", "session_id", sessionId)).toBe(0);
    expect((await refresh(server.url, old.refresh_token)).body.error.code).toBe("refresh_invalid");
    expect((await refresh(server.url, young.body.refresh_token)).status).toBe(200);
  });

  test("deletes each kind of row after its own time", async () => {
    const { user } = await registerUser(server.url);
    const stranger = newUser().email;
    const left = await registerUser(server.url);
    const { jti } = await server.app.deps.accessTokens.verify(left.access_token);
    await call(`${server.url}/auth/logout`, { body: {}, headers: { authorization: `Bearer ${left.access_token}` } });
    await loginUser(server.url, stranger);
    const rows = async () => ({
      revoked: await count("revoked_tokens", "jti", jti),
      lockouts: (await server.db.query("SELECT FROM login_lockouts WHERE subject LIKE 'name:%'")).rowCount,
      outbox: await count("outbox_events", "payload->>'user_id'", user.id),
      attempts: (await server.db.query("SELECT FROM login_attempts WHERE user_id IS NULL")).rowCount,
      audit: await count("audit_events", "subject_id", user.id),
    });
    await server.db.query("DELETE FROM login_lockouts WHERE touched_at < $1", [server.clock.now()]);
    await server.db.query("DELETE FROM login_attempts WHERE attempted_at < $1", [server.clock.now()]);
    const at = async (days: number) => {
      server.clock.advance(days * DAY_S);
      await run();
      return rows();
    };
    expect(await at(1)).toStrictEqual({ revoked: 1, lockouts: 1, outbox: 1, attempts: 1, audit: 1 });
    expect(await at(1.1)).toStrictEqual({ revoked: 0, lockouts: 0, outbox: 1, attempts: 1, audit: 1 });
    expect(await at(5)).toStrictEqual({ revoked: 0, lockouts: 0, outbox: 0, attempts: 1, audit: 1 });
    expect(await at(83)).toStrictEqual({ revoked: 0, lockouts: 0, outbox: 0, attempts: 0, audit: 1 });
  });

  test("leaves the accounts alone, however old", async () => {
    const { credentials } = await registerUser(server.url);
    server.clock.advance(400 * DAY_S);
    await run();
    const answer = await loginUser(server.url, credentials.email);
    expect(answer.status).toBe(200);
    expect((await me(server.url, answer.body.access_token)).status).toBe(200);
  });

  test("gets through more rows than one batch, on two replicas at once, each row once", async () => {
    const { user } = await registerUser(server.url);
    await run();
    const over = new Date(server.clock.now().getTime() - 30 * DAY_S * 1000);
    await server.db.query(
      `INSERT INTO sessions (id, user_id, created_at, last_used_at, expires_at, ip, user_agent)
      SELECT gen_random_uuid(), $1, $2, $2, $2, '127.0.0.1', '' FROM generate_series(1, 320)`,
      [user.id, over],
    );
    await server.db.query(
      "INSERT INTO outbox_events (occurred_at, type, payload) SELECT $1, 'x', '{}' FROM generate_series(1, 2500)",
      [over],
    );
    const counts = await Promise.all([run(), run()]);
    expect(counts.reduce((sum, gone) => sum + gone, 0)).toBe(320 + 2500);
  });

  test("waits for no row that somebody holds", async () => {
    const id = randomUUID();
    const over = new Date(server.clock.now().getTime() - 30 * DAY_S * 1000);
    await server.db.query(
      "INSERT INTO revoked_tokens (jti, session_id, revoked_at, expires_at) VALUES ($1, gen_random_uuid(), $2, $2)",
      [id, over],
    );
    const holder = await server.db.connect();
    await holder.query("BEGIN");
    await holder.query("SELECT FROM revoked_tokens WHERE jti = $1 FOR UPDATE", [id]);
    await run();
    expect(await count("revoked_tokens", "jti", id)).toBe(1);
    await holder.query("ROLLBACK");
    holder.release();
    await run();
    expect(await count("revoked_tokens", "jti", id)).toBe(0);
  });
});
