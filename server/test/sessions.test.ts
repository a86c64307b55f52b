import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { call, loginUser, me, refresh, registerUser } from "./support/client.ts";
import { listSessions, rpc } from "./support/rpc.ts";
import { startApp, startAppForTest, type TestApp } from "./support/start-app.ts";

let server: TestApp;
beforeAll(async () => {
  server = await startApp();
});
afterAll(() => server[Symbol.asyncDispose]());

const revoke = (token: string, sessionId: string) => rpc(server.url, "RevokeSession", { token, body: { sessionId } });

describe("the list of sessions", () => {
  test("holds the live ones, the newest first, and marks the caller's", async () => {
    const first = await registerUser(server.url);
    server.clock.advance(1);
    const second = await loginUser(server.url, first.credentials.email);
    server.clock.advance(1);
    const third = await loginUser(server.url, first.credentials.email);
    await rpc(server.url, "Logout", { token: second.body.access_token });

    const { sessions } = await listSessions(server.url, third.body.access_token);
    expect(sessions).toHaveLength(2);
    expect(sessions.map(({ current }) => current ?? false)).toStrictEqual([true, false]);
    const seenByFirst = await listSessions(server.url, first.access_token);
    expect(seenByFirst.sessions.map(({ current }) => current ?? false)).toStrictEqual([false, true]);
    expect(sessions[0]?.ip).toBe("127.0.0.1");
  });

  test("comes in pages that miss nothing and repeat nothing, even of one millisecond", async () => {
    const { credentials, access_token } = await registerUser(server.url);
    for (let i = 0; i < 6; i++) await loginUser(server.url, credentials.email);
    const seen: string[] = [];
    let pageToken = "";
    do {
      const page = await listSessions(server.url, access_token, { pageSize: 3, pageToken });
      seen.push(...page.sessions.map(({ id }) => id));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(seen).toHaveLength(7);
    expect(new Set(seen).size).toBe(7);
  });

  test.each([
    ["page_size", { pageSize: -1 }],
    ["page_size", { pageSize: 101 }],
    ["page_token", { pageToken: "garbage" }],
    ["page_token", { pageToken: "99999999999999999.00000000-0000-0000-0000-000000000000" }],
    ["page_token", { pageToken: "1.00000000-0000-0000-0000-000000000000\u0000" }],
  ])("refuses a bad %s by its name", async (field, page) => {
    const { access_token } = await registerUser(server.url);
    const answer = await rpc<{ message: string }>(server.url, "ListSessions", { token: access_token, body: page });
    expect(answer.reason).toBe("validation_failed");
    expect(answer.body.message).toContain(field);
  });

  test("takes the furthest page token that can be made", async () => {
    const { access_token } = await registerUser(server.url);
    const position = "999999999999999.00000000-0000-0000-0000-000000000000";
    const pageToken = Buffer.from(position).toString("base64url");
    const page = await listSessions(server.url, access_token, { pageToken });
    expect(page.sessions).toHaveLength(1);
  });

  test("leaves out a session whose time is over", async () => {
    const { credentials } = await registerUser(server.url);
    server.clock.advance(604_801);
    const { body } = await loginUser(server.url, credentials.email);
    expect((await listSessions(server.url, body.access_token)).sessions).toHaveLength(1);
  });
});

describe("revoking a session", () => {
  test("does nothing for a caller whose own was ended while the call was on its way", async () => {
    const mine = await registerUser(server.url);
    const phone = await loginUser(server.url, mine.credentials.email);
    const { accessTokens, sessions, clock } = server.app.deps;
    const [caller, other] = await Promise.all([mine, phone.body].map((t) => accessTokens.verify(t.access_token)));
    await call(`${server.url}/auth/logout`, { body: { refresh_token: mine.refresh_token } });
    const revocation = sessions.revoke({
      userId: mine.user.id,
      callerSessionId: caller?.sessionId ?? "",
      sessionId: other?.sessionId ?? "",
      client: { ip: "127.0.0.1", userAgent: "", requestId: "" },
      now: clock.now(),
    });
    await expect(revocation).rejects.toMatchObject({ reason: "token_revoked" });
    expect((await me(server.url, phone.body.access_token)).status).toBe(200);
  });

  test("ends another one of one's own, its tokens included", async () => {
    const mine = await registerUser(server.url);
    const phone = await loginUser(server.url, mine.credentials.email);
    const { sessions } = await listSessions(server.url, mine.access_token);
    const other = sessions.find(({ current }) => current !== true);
    expect((await revoke(mine.access_token, other?.id ?? "")).status).toBe(200);
    expect((await me(server.url, phone.body.access_token)).body.error.code).toBe("token_revoked");
    expect((await refresh(server.url, phone.body.refresh_token)).body.error.code).toBe("refresh_invalid");
    expect((await me(server.url, mine.access_token)).status).toBe(200);
    expect((await revoke(mine.access_token, other?.id ?? "")).reason).toBe("not_found");
  });

  test("ends the caller's own session too", async () => {
    const { access_token } = await registerUser(server.url);
    const { sessions } = await listSessions(server.url, access_token);
    expect((await revoke(access_token, sessions[0]?.id ?? "")).status).toBe(200);
    expect((await me(server.url, access_token)).body.error.code).toBe("token_revoked");
  });

  test("does not find somebody else's, nor one that never was", async () => {
    const [mine, theirs] = [await registerUser(server.url), await registerUser(server.url)];
    const { sessions } = await listSessions(server.url, theirs.access_token);
    for (const id of [sessions[0]?.id ?? "", "00000000-0000-0000-0000-000000000000"]) {
      expect(await revoke(mine.access_token, id)).toMatchObject({ status: 404, reason: "not_found" });
    }
    expect((await me(server.url, theirs.access_token)).status).toBe(200);
  });

  test("refuses what is no id by the field's name", async () => {
    const { access_token } = await registerUser(server.url);
    const answer = await revoke(access_token, "'; DROP TABLE sessions; --");
    expect(answer.reason).toBe("validation_failed");
  });
});

describe("a session while the account is locked", () => {
  test("stays alive, refreshes included", async () => {
    const { credentials, access_token, refresh_token } = await registerUser(server.url);
    for (let i = 0; i < 5; i++) await loginUser(server.url, credentials.email, "not the passphrase");
    expect((await loginUser(server.url, credentials.email)).body.error.code).toBe("account_locked");
    expect((await me(server.url, access_token)).status).toBe(200);
    expect((await refresh(server.url, refresh_token)).status).toBe(200);
  });
});

describe.each([
  ["SESSION_IDLE_S", { SESSION_IDLE_S: "300" }],
  ["REFRESH_TTL_S", { REFRESH_TTL_S: "300", SESSION_MAX_AGE_S: "86400" }],
])("a session that is not used for %s", (_name, env) => {
  test("is over: for its access token, in the list, and for who would revoke it", async () => {
    const idle = await startAppForTest({ env });
    const first = await registerUser(idle.url);
    idle.clock.advance(299);
    expect((await me(idle.url, first.access_token)).status).toBe(200);
    const second = await loginUser(idle.url, first.credentials.email);
    const { sessionId } = await idle.app.deps.accessTokens.verify(first.access_token);
    idle.clock.advance(1);
    expect((await me(idle.url, first.access_token)).body.error.code).toBe("token_revoked");
    expect((await refresh(idle.url, first.refresh_token)).body.error.code).toBe("refresh_expired");
    expect((await listSessions(idle.url, second.body.access_token)).sessions).toMatchObject([{ current: true }]);
    const revoked = await rpc(idle.url, "RevokeSession", { token: second.body.access_token, body: { sessionId } });
    expect(revoked.reason).toBe("not_found");
  });

  test("ends so long after its last refresh, and the list says when", async () => {
    const idle = await startAppForTest({ env });
    const first = await registerUser(idle.url);
    idle.clock.advance(200);
    const second = await refresh(idle.url, first.refresh_token);
    const [listed] = (await listSessions(idle.url, second.body.access_token)).sessions;
    expect(listed).toMatchObject({ expiresAt: new Date(idle.clock.now().getTime() + 300_000).toISOString() });
    idle.clock.advance(299);
    for (const { access_token } of [first, second.body]) expect((await me(idle.url, access_token)).status).toBe(200);
    idle.clock.advance(1);
    expect((await me(idle.url, second.body.access_token)).body.error.code).toBe("token_revoked");
    expect((await refresh(idle.url, first.refresh_token)).body.error.code).toBe("refresh_expired");
  });

  test("is prolonged by a server of the release before, which runs beside this one", async () => {
    const idle = await startAppForTest({ env });
    const { access_token, user } = await registerUser(idle.url);
    await idle.db.query(
      `WITH used AS (
        UPDATE refresh_tokens SET used_at = $2, successor_hash = '\\x01', successor_sealed = '\\x01'
        FROM sessions WHERE sessions.id = session_id AND user_id = $1 RETURNING session_id
      )
      INSERT INTO refresh_tokens (token_hash, session_id, issued_at, expires_at)
      SELECT '\\x01', session_id, $2, $2::timestamptz + interval '600 seconds' FROM used`,
      [user.id, idle.clock.now()],
    );
    idle.clock.advance(599);
    expect((await me(idle.url, access_token)).status).toBe(200);
    idle.clock.advance(1);
    expect((await me(idle.url, access_token)).status).toBe(401);
  });
});

describe("a session from before there was an idle end", () => {
  test("lives as long as it was told to", async () => {
    const { access_token, credentials, user } = await registerUser(server.url);
    await server.db.query("UPDATE sessions SET ends_at = NULL WHERE user_id = $1", [user.id]);
    expect((await me(server.url, access_token)).status).toBe(200);
    server.clock.advance(604_801);
    const later = await loginUser(server.url, credentials.email);
    expect((await listSessions(server.url, later.body.access_token)).sessions).toHaveLength(1);
  });
});
