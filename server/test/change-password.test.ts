import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { call, loginUser, me, PASSWORD, refresh, registerUser } from "./support/client.ts";
import { changePassword, rpc } from "./support/rpc.ts";
import { startApp, startAppForTest, type TestApp } from "./support/start-app.ts";
import { countEvents } from "./support/stored.ts";

const NEW_PASSWORD = "quite another passphrase";

let server: TestApp;
beforeAll(async () => {
  server = await startApp();
});
afterAll(() => server[Symbol.asyncDispose]());

const change = (token: string, currentPassword: string, newPassword = NEW_PASSWORD) =>
  changePassword(server.url, token, { currentPassword, newPassword });

describe("a change of password", () => {
  test("replaces it, ends every other session and keeps the caller's", async () => {
    const mine = await registerUser(server.url);
    const others = [
      await loginUser(server.url, mine.credentials.email),
      await loginUser(server.url, mine.credentials.email),
    ];
    const answer = await change(mine.access_token, PASSWORD);
    expect(answer).toMatchObject({ status: 200, body: { revokedSessions: 2 } });

    for (const { body } of others) {
      expect((await me(server.url, body.access_token)).body.error.code).toBe("token_revoked");
      expect((await refresh(server.url, body.refresh_token)).body.error.code).toBe("refresh_invalid");
    }
    expect((await me(server.url, mine.access_token)).status).toBe(200);
    expect((await refresh(server.url, mine.refresh_token)).status).toBe(200);
    expect((await loginUser(server.url, mine.credentials.email)).status).toBe(401);
    expect((await loginUser(server.url, mine.credentials.email, NEW_PASSWORD)).status).toBe(200);
    expect(await countEvents(server, "password.changed", mine.user.id)).toStrictEqual({ audit: 1, outbox: 1 });
  });

  test("leaves the sessions of other users alone", async () => {
    const [mine, theirs] = [await registerUser(server.url), await registerUser(server.url)];
    await change(mine.access_token, PASSWORD);
    expect((await me(server.url, theirs.access_token)).status).toBe(200);
  });

  test("counts a wrong current password like a failed login, whichever of the two is guessed at", async () => {
    const { access_token, credentials } = await registerUser(server.url);
    for (let i = 0; i < 3; i++) {
      expect((await change(access_token, "not the passphrase")).reason).toBe("invalid_credentials");
    }
    for (let i = 0; i < 2; i++) await loginUser(server.url, credentials.username, "not the passphrase");
    const locked = await change(access_token, PASSWORD);
    expect(locked.reason).toBe("account_locked");
    expect(locked.headers.get("retry-after")).toBe("900");
    expect((await loginUser(server.url, credentials.email)).status).toBe(401);
    expect((await me(server.url, access_token)).status).toBe(200);
  });

  test.each([
    [
      "whose session was logged out",
      (url: string, { refresh_token }: { refresh_token: string }) =>
        call(`${url}/auth/logout`, { body: { refresh_token } }),
    ],
    [
      "who was disabled",
      (_url: string, { user }: { user: { id: string } }, { db }: TestApp) =>
        db.query("UPDATE users SET disabled_at = now() WHERE id = $1", [user.id]),
    ],
  ])("does not happen for a caller %s while it was on its way", async (_name, end) => {
    const busy = await startAppForTest({ env: { ARGON2_CONCURRENCY: "1", ARGON2_MEMORY_KIB: "65536" } });
    const mine = await registerUser(busy.url);
    const hashOf = async () => (await busy.db.query("SELECT password_hash FROM users")).rows;
    const before = await hashOf();
    const occupied = Array.from({ length: 12 }, () => busy.app.deps.hasher.hash("a password that takes its time"));
    const passwords = { currentPassword: PASSWORD, newPassword: NEW_PASSWORD };
    const changing = changePassword(busy.url, mine.access_token, passwords);
    await expect.poll(async () => (await busy.db.query("SELECT FROM login_lockouts")).rowCount).toBe(1);
    await end(busy.url, mine, busy);
    expect(await hashOf()).toStrictEqual(before);
    expect(await changing).toMatchObject({ status: 401, reason: "token_revoked" });
    await Promise.all(occupied);
    expect(await hashOf()).toStrictEqual(before);
    expect(await countEvents(busy, "password.changed", mine.user.id)).toStrictEqual({ audit: 0, outbox: 0 });
  });

  test("waits for a logout that is being written, and gives way to it", async () => {
    const { access_token, user, credentials } = await registerUser(server.url);
    const holder = await server.db.connect();
    await holder.query("BEGIN");
    await holder.query("UPDATE sessions SET revoked_at = now() WHERE user_id = $1", [user.id]);
    const changing = change(access_token, PASSWORD);
    const waiting = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    await expect.poll(async () => (await server.db.query(waiting)).rowCount, { interval: 10 }).toBe(1);
    await holder.query("COMMIT");
    holder.release();
    expect(await changing).toMatchObject({ status: 401, reason: "token_revoked" });
    expect((await loginUser(server.url, credentials.email)).status).toBe(200);
  });

  test("counts the sessions that it ended, not those whose time was over", async () => {
    const { credentials } = await registerUser(server.url);
    server.clock.advance(604_800);
    const mine = await loginUser(server.url, credentials.email);
    await loginUser(server.url, credentials.email);
    const answer = await change(mine.body.access_token, PASSWORD);
    expect(answer).toMatchObject({ status: 200, body: { revokedSessions: 1 } });
  });

  test("clears the count of failures when it succeeds", async () => {
    const { access_token, credentials } = await registerUser(server.url);
    for (let i = 0; i < 4; i++) await loginUser(server.url, credentials.email, "not the passphrase");
    expect((await change(access_token, PASSWORD)).status).toBe(200);
    for (let i = 0; i < 4; i++) await loginUser(server.url, credentials.email, "not the passphrase");
    expect((await loginUser(server.url, credentials.email, NEW_PASSWORD)).status).toBe(200);
  });

  test.each([
    ["too short", "short words"],
    ["a common one", "password1234"],
    ["one letter again and again", "aaaaaaaaaaaaaaaa"],
  ])("refuses a new password that is %s, and counts nothing", async (_name, weak) => {
    const { access_token, credentials } = await registerUser(server.url);
    for (let i = 0; i < 6; i++) expect((await change(access_token, PASSWORD, weak)).reason).toBe("weak_password");
    expect((await loginUser(server.url, credentials.email)).status).toBe(200);
  });

  test("refuses a new password that holds the username", async () => {
    const { access_token, credentials } = await registerUser(server.url);
    expect((await change(access_token, PASSWORD, `my ${credentials.username}!`)).reason).toBe("weak_password");
  });

  test.each([
    ["current_password", { currentPassword: "", newPassword: NEW_PASSWORD }],
    ["new_password", { currentPassword: PASSWORD, newPassword: `${NEW_PASSWORD}\u0000` }],
  ])("names %s when it cannot be read", async (field, passwords) => {
    const { access_token } = await registerUser(server.url);
    const answer = await changePassword(server.url, access_token, passwords);
    expect(answer.reason).toBe("validation_failed");
    expect(answer.body.message).toContain(field);
  });

  test("to the same one is none, in whatever form it is typed", async () => {
    const { access_token } = await registerUser(server.url);
    const answer = await changePassword(server.url, access_token, { currentPassword: PASSWORD, newPassword: PASSWORD });
    expect([answer.reason, answer.body.message]).toStrictEqual([
      "weak_password",
      "The new password must differ from the current one.",
    ]);
  });

  test("is for the bearer alone", async () => {
    const answer = await rpc(server.url, "ChangePassword", {
      body: { currentPassword: PASSWORD, newPassword: NEW_PASSWORD },
    });
    expect(answer).toMatchObject({ status: 401, reason: "token_missing" });
  });
});
