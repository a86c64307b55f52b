import { describe, expect, test } from "vitest";
import { call, loginUser, me, newUser, PASSWORD, refresh, registerUser } from "./support/client.ts";
import { changePassword, listSessions, rpc } from "./support/rpc.ts";
import { startAppForTest, type TestApp } from "./support/start-app.ts";

const WRONG = "not the passphrase";
const NEW_PASSWORD = "quite another passphrase";

const events = async (server: TestApp) =>
  (
    await server.db.query<{ type: string; result: string; subject_id: string | null; request_id: string; ip: string }>(
      "SELECT type, result, subject_id, request_id, host(ip) AS ip FROM audit_events ORDER BY id",
    )
  ).rows;

const revokeOther = async (server: TestApp, token: string) => {
  const { sessions } = await listSessions(server.url, token);
  const sessionId = sessions.find(({ current }) => current !== true)?.id;
  return rpc(server.url, "RevokeSession", { token, body: { sessionId } });
};

describe("every act", () => {
  test("is in the audit, and in the outbox where others are told of it", async () => {
    const server = await startAppForTest();
    const first = await registerUser(server.url);
    const { email } = first.credentials;
    await loginUser(server.url, email);
    await loginUser(server.url, email, WRONG);
    await revokeOther(server, first.access_token);
    const { body: other } = await loginUser(server.url, email);
    await call(`${server.url}/auth/logout`, { body: { refresh_token: other.refresh_token } });
    await changePassword(server.url, first.access_token, { currentPassword: PASSWORD, newPassword: NEW_PASSWORD });
    const second = await refresh(server.url, first.refresh_token);
    await refresh(server.url, second.body.refresh_token);
    await refresh(server.url, first.refresh_token);

    const audit = await events(server);
    expect(audit.map(({ type, result }) => `${type} ${result}`)).toStrictEqual([
      "user.registered success",
      "login.succeeded success",
      "login.failed failure",
      "session.revoked success",
      "login.succeeded success",
      "session.logged_out success",
      "password.changed success",
      "session.refresh_reused failure",
    ]);
    expect(new Set(audit.map(({ subject_id }) => subject_id))).toStrictEqual(new Set([first.user.id]));
    const { rows } = await server.db.query("SELECT type, payload FROM outbox_events ORDER BY id");
    expect(rows.map(({ type }) => type)).toStrictEqual(
      audit.map(({ type }) => type).filter((type) => type !== "login.failed"),
    );
    expect(rows.every(({ payload }) => payload.user_id === first.user.id)).toBe(true);
  });

  test("that fails in a change of password is told from a failed login, the locked ones too", async () => {
    const server = await startAppForTest({ env: { LOCKOUT_THRESHOLD: "2" } });
    const { access_token, user } = await registerUser(server.url);
    const attempt = { currentPassword: WRONG, newPassword: NEW_PASSWORD };
    for (let i = 0; i < 3; i++) await changePassword(server.url, access_token, attempt);
    const { sessionId } = await server.app.deps.accessTokens.verify(access_token);
    const { rows } = await server.db.query(
      `SELECT type, result, actor_id, subject_id, session_id, detail->>'reason' AS reason FROM audit_events
      WHERE type <> 'user.registered' ORDER BY id`,
    );
    const failed = { type: "password_change.failed", result: "failure", actor_id: user.id, subject_id: user.id };
    expect(rows).toStrictEqual(
      ["invalid_credentials", "invalid_credentials", "account_locked"].map((reason) => ({
        ...failed,
        session_id: sessionId,
        reason,
      })),
    );
    const attempts = await server.db.query("SELECT result FROM login_attempts WHERE user_id = $1 ORDER BY id", [
      user.id,
    ]);
    expect(attempts.rows.map(({ result }) => result)).toStrictEqual(rows.map(({ reason }) => reason));
  });

  test("that meets a lock reached by the other name is recorded as what it was", async () => {
    const server = await startAppForTest({ env: { LOCKOUT_THRESHOLD: "1" } });
    const { credentials, user } = await registerUser(server.url);
    await loginUser(server.url, credentials.username, WRONG);
    await loginUser(server.url, credentials.email);
    const { rows } = await server.db.query(
      "SELECT subject_id, detail->>'reason' AS reason FROM audit_events WHERE type = 'login.failed' ORDER BY id",
    );
    expect(rows).toStrictEqual([
      { subject_id: user.id, reason: "invalid_credentials" },
      { subject_id: user.id, reason: "account_locked" },
    ]);
  });

  test("is found by the request's id and the client's address", async () => {
    const server = await startAppForTest();
    const { headers } = await call(`${server.url}/auth/register`, { body: newUser() });
    const [event] = await events(server);
    expect(event).toMatchObject({ request_id: headers.get("x-request-id"), ip: "127.0.0.1" });
  });

  test("of nobody holds no trace of what was typed", async () => {
    const server = await startAppForTest();
    await loginUser(server.url, "my-secret-typed-in-the-wrong-field", WRONG);
    const [event] = await events(server);
    expect(event).toMatchObject({ type: "login.failed", subject_id: null });
    const { rows } = await server.db.query(
      "SELECT a::text || l::text || o::text AS text FROM audit_events a, login_attempts l, login_lockouts o",
    );
    expect(rows.length).toBeGreaterThan(0);
    for (const { text } of rows) {
      expect(text).not.toContain("my-secret");
      expect(text).not.toContain(WRONG);
    }
  });
});

describe("an act that cannot be recorded", () => {
  const state = async (server: TestApp) => {
    const tables = ["users", "sessions", "refresh_tokens", "revoked_tokens", "outbox_events", "user_roles"];
    const rows = tables.map((table) => server.db.query(`SELECT t::text FROM ${table} AS t ORDER BY 1`));
    return (await Promise.all(rows)).map((result) => result.rows);
  };

  test.each(["audit_events", "audit_unsealed", "outbox_events"])("in %s does not happen", async (table) => {
    const server = await startAppForTest({ env: { REFRESH_RETRY_GRACE_S: "0" } });
    const first = await registerUser(server.url);
    const { email } = first.credentials;
    const other = await loginUser(server.url, email);
    const second = await refresh(server.url, other.body.refresh_token);
    const before = await state(server);

    await server.db.query(`ALTER TABLE ${table} ADD CONSTRAINT no_more CHECK (false) NOT VALID`);
    const answers = [
      await call(`${server.url}/auth/register`, { body: newUser() }),
      await loginUser(server.url, email),
      await changePassword(server.url, first.access_token, { currentPassword: PASSWORD, newPassword: NEW_PASSWORD }),
      await revokeOther(server, first.access_token),
      await call(`${server.url}/auth/logout`, { body: { refresh_token: first.refresh_token } }),
      await refresh(server.url, other.body.refresh_token),
    ];
    expect(answers.map(({ status }) => status)).toStrictEqual([500, 500, 500, 500, 500, 500]);
    for (const answer of answers) expect(JSON.stringify(answer.body)).not.toContain("no_more");
    await server.db.query(`ALTER TABLE ${table} DROP CONSTRAINT no_more`);

    expect(await state(server)).toStrictEqual(before);
    expect((await me(server.url, first.access_token)).status).toBe(200);
    expect((await refresh(server.url, second.body.refresh_token)).status).toBe(200);
    expect((await loginUser(server.url, email)).status).toBe(200);
  });

  test("when it is a failed login is not answered as if it were", async () => {
    const server = await startAppForTest();
    const { credentials } = await registerUser(server.url);
    await server.db.query("ALTER TABLE audit_events ADD CONSTRAINT no_more CHECK (false) NOT VALID");
    expect((await loginUser(server.url, credentials.email, WRONG)).status).toBe(500);
    const { rows } = await server.db.query("SELECT failures FROM login_lockouts");
    expect(rows).toStrictEqual([{ failures: 1 }, { failures: 1 }]);
  });
});
