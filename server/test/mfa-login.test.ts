import { describe, expect, test } from "vitest";
import { call, loginUser, me, PASSWORD, refresh, registerUser } from "./support/client.ts";
import { challengeOf, registerMfaUser, verify } from "./support/mfa.ts";
import { changePassword, rpc } from "./support/rpc.ts";
import { startAppForTest } from "./support/start-app.ts";
import { countEvents } from "./support/stored.ts";

const codeOf = ({ status, body }: { status: number; body: { error: { code: string } } }) => [status, body.error?.code];
const INVALID = [401, "mfa_invalid"];

describe("a login of a user with a second factor", () => {
  test("answers with a challenge, and with nothing else", async () => {
    const server = await startAppForTest();
    const user = await registerMfaUser(server);
    const { status, body } = await loginUser(server.url, user.credentials.email);
    expect(status).toBe(200);
    expect(body).toStrictEqual({
      mfa_required: true,
      mfa_challenge: expect.stringMatching(/^mfa_[\w-]{43}$/),
      mfa_methods: ["totp", "recovery_code"],
      expires_in: 300,
    });
  });

  test("answers without one as it always did", async () => {
    const server = await startAppForTest();
    const { credentials } = await registerUser(server.url);
    const { body } = await loginUser(server.url, credentials.email);
    expect(Object.keys(body).sort()).toStrictEqual([
      "access_token",
      "expires_in",
      "refresh_expires_in",
      "refresh_token",
      "token_type",
      "user",
    ]);
  });

  test("is no session for a server of a release that does not know of factors", async () => {
    const server = await startAppForTest();
    const user = await registerMfaUser(server);
    const { user: other } = await registerUser(server.url);
    const open = (userId: string) =>
      server.db.query(
        `INSERT INTO sessions (id, user_id, created_at, last_used_at, expires_at, ip, user_agent)
        VALUES (gen_random_uuid(), $1, now(), now(), now() + interval '1 hour', '::1', '')`,
        [userId],
      );
    await expect(open(user.user.id)).rejects.toThrow("opened with it");
    await expect(open(other.id)).resolves.toMatchObject({ rowCount: 1 });
  });

  test("opens its session with the code that the app shows", async () => {
    const server = await startAppForTest();
    const user = await registerMfaUser(server);
    const challenge = await challengeOf(server, user.credentials.username);
    const { status, body } = await verify(server.url, challenge, user.code());
    expect(status).toBe(200);
    expect(body).toMatchObject({ token_type: "Bearer", expires_in: 900, refresh_expires_in: 604_800 });
    expect(body.user).toMatchObject({ id: user.user.id, mfa_enabled: true });
    expect((await me(server.url, body.access_token)).status).toBe(200);
    const { rows } = await server.db.query(
      "SELECT type, detail FROM audit_events WHERE subject_id = $1 AND type LIKE 'login.%' ORDER BY id",
      [user.user.id],
    );
    expect(rows).toStrictEqual([
      { type: "login.mfa_required", detail: {} },
      { type: "login.succeeded", detail: { factor: "totp" } },
    ]);
    const attempts = await server.db.query("SELECT result FROM login_attempts WHERE user_id = $1 ORDER BY id", [
      user.user.id,
    ]);
    expect(attempts.rows.map(({ result }) => result)).toStrictEqual(["mfa_required", "succeeded"]);
  });

  test("refreshes without a second factor: the session has had it", async () => {
    const server = await startAppForTest();
    const user = await registerMfaUser(server);
    const { body } = await verify(server.url, await challengeOf(server, user.credentials.email), user.code());
    expect((await refresh(server.url, body.refresh_token)).status).toBe(200);
  });

  test("gives the refresh token as a cookie where that is asked for", async () => {
    const server = await startAppForTest();
    const user = await registerMfaUser(server);
    const challenge = await challengeOf(server, user.credentials.email);
    const answer = await call(`${server.url}/auth/mfa/verify`, {
      body: { mfa_challenge: challenge, code: user.code(), use_cookie: true },
      headers: { origin: "https://app.example.com" },
    });
    expect(answer.headers.get("set-cookie")).toMatch(/refresh=rt_/);
    expect(answer.body).not.toHaveProperty("refresh_token");
  });
});

describe("a code", () => {
  test("is accepted with spaces, as apps show it", async () => {
    const server = await startAppForTest();
    const user = await registerMfaUser(server);
    const spaced = user.code().replace(/^.../, "$& ");
    expect((await verify(server.url, await challengeOf(server, user.credentials.email), spaced)).status).toBe(200);
  });

  test("is accepted one step early and one step late, and no further away", async () => {
    const server = await startAppForTest({ env: { LOCKOUT_THRESHOLD: "1000" } });
    const user = await registerMfaUser(server);
    const by = async (stepsAway: number) => {
      server.clock.advance(300);
      const answer = await verify(server.url, await challengeOf(server, user.credentials.email), user.code(stepsAway));
      return answer.status;
    };
    expect([await by(-2), await by(-1), await by(0), await by(1), await by(2)]).toStrictEqual([
      401, 200, 200, 200, 401,
    ]);
  });

  test.each([
    { window: "0", away: [-1, 0, 1], statuses: [401, 200, 401] },
    { window: "2", away: [-3, -2, 2, 3], statuses: [401, 200, 200, 401] },
  ])("drifts as far as TOTP_WINDOW=$window says", async ({ window, away, statuses }) => {
    const server = await startAppForTest({ env: { TOTP_WINDOW: window, LOCKOUT_THRESHOLD: "1000" } });
    const user = await registerMfaUser(server);
    const found: number[] = [];
    for (const stepsAway of away) {
      server.clock.advance(300);
      const challenge = await challengeOf(server, user.credentials.email);
      found.push((await verify(server.url, challenge, user.code(stepsAway))).status);
    }
    expect(found).toStrictEqual(statuses);
  });

  test("is accepted once, of 20 that come at once with challenges of their own", async () => {
    const server = await startAppForTest({ env: { LOCKOUT_THRESHOLD: "1000" } });
    const user = await registerMfaUser(server);
    const challenges: string[] = [];
    for (let i = 0; i < 20; i++) challenges.push(await challengeOf(server, user.credentials.email));
    const answers = await Promise.all(challenges.map((challenge) => verify(server.url, challenge, user.code())));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter((answer) => codeOf(answer)[1] === "mfa_invalid")).toHaveLength(19);
  });

  test("is accepted once, of 20 that come at once with one challenge", async () => {
    const server = await startAppForTest();
    const user = await registerMfaUser(server);
    const challenge = await challengeOf(server, user.credentials.email);
    const tries = Array.from({ length: 20 }, () => verify(server.url, challenge, user.code()));
    const answers = await Promise.all(tries);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(await countEvents(server, "login.succeeded", user.user.id)).toStrictEqual({ audit: 1, outbox: 1 });
  });

  test("of the step before is refused after one of a later step", async () => {
    const server = await startAppForTest();
    const user = await registerMfaUser(server);
    expect((await verify(server.url, await challengeOf(server, user.credentials.email), user.code(1))).status).toBe(
      200,
    );
    for (const stepsAway of [1, 0, -1]) {
      const again = await verify(server.url, await challengeOf(server, user.credentials.email), user.code(stepsAway));
      expect(codeOf(again)).toStrictEqual(INVALID);
    }
  });

  test("that confirmed the app is not accepted at a login", async () => {
    const server = await startAppForTest();
    const user = await registerMfaUser(server);
    server.clock.advance(-60);
    expect(
      codeOf(await verify(server.url, await challengeOf(server, user.credentials.email), user.code())),
    ).toStrictEqual(INVALID);
  });
});

describe("a recovery code", () => {
  test("opens one session, and never another, of 20 that come at once", async () => {
    const server = await startAppForTest({ env: { LOCKOUT_THRESHOLD: "1000" } });
    const user = await registerMfaUser(server);
    const [code = ""] = user.recoveryCodes;
    const challenges: string[] = [];
    for (let i = 0; i < 20; i++) challenges.push(await challengeOf(server, user.credentials.email));
    const answers = await Promise.all(challenges.map((challenge) => verify(server.url, challenge, code)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    const again = await verify(server.url, await challengeOf(server, user.credentials.email), code);
    expect(codeOf(again)).toStrictEqual(INVALID);
  });

  test("is read as people write it: small letters, spaces, an O for a zero", async () => {
    const server = await startAppForTest();
    const user = await registerMfaUser(server);
    for (const code of user.recoveryCodes) {
      const written = code.toLowerCase().replaceAll("-", " ").replaceAll("0", "o").replaceAll("1", "l");
      expect((await verify(server.url, await challengeOf(server, user.credentials.email), written)).status).toBe(200);
    }
  });

  test("of somebody else is refused", async () => {
    const server = await startAppForTest();
    const [user, other] = [await registerMfaUser(server), await registerMfaUser(server)];
    const answer = await verify(
      server.url,
      await challengeOf(server, user.credentials.email),
      other.recoveryCodes[0] ?? "",
    );
    expect(codeOf(answer)).toStrictEqual(INVALID);
  });
});

describe("a challenge", () => {
  test("lives for 300 seconds", async () => {
    const server = await startAppForTest();
    const user = await registerMfaUser(server);
    const [first, second] = [
      await challengeOf(server, user.credentials.email),
      await challengeOf(server, user.credentials.email),
    ];
    server.clock.advance(299);
    expect((await verify(server.url, first, user.code())).status).toBe(200);
    server.clock.advance(1);
    expect(codeOf(await verify(server.url, second, user.code(1)))).toStrictEqual(INVALID);
  });

  test("is used once", async () => {
    const server = await startAppForTest();
    const user = await registerMfaUser(server);
    const challenge = await challengeOf(server, user.credentials.email);
    expect((await verify(server.url, challenge, user.code())).status).toBe(200);
    expect(codeOf(await verify(server.url, challenge, user.recoveryCodes[0] ?? ""))).toStrictEqual(INVALID);
  });

  test("goes on after a code that was used before", async () => {
    const server = await startAppForTest();
    const user = await registerMfaUser(server);
    expect((await verify(server.url, await challengeOf(server, user.credentials.email), user.code())).status).toBe(200);
    const challenge = await challengeOf(server, user.credentials.email);
    expect(codeOf(await verify(server.url, challenge, user.code()))).toStrictEqual(INVALID);
    expect((await verify(server.url, challenge, user.code(1))).status).toBe(200);
  });

  test("ends with the fifth wrong code", async () => {
    const server = await startAppForTest({ env: { LOCKOUT_THRESHOLD: "1000" } });
    const user = await registerMfaUser(server);
    const [four, five] = [
      await challengeOf(server, user.credentials.email),
      await challengeOf(server, user.credentials.email),
    ];
    for (let i = 0; i < 4; i++) await verify(server.url, four, user.wrong());
    for (let i = 0; i < 5; i++) await verify(server.url, five, user.wrong());
    expect(codeOf(await verify(server.url, five, user.code()))).toStrictEqual(INVALID);
    expect((await verify(server.url, four, user.code())).status).toBe(200);
  });

  test("looks at five codes, of 50 that come at once", async () => {
    const server = await startAppForTest({ env: { LOCKOUT_THRESHOLD: "1000" } });
    const user = await registerMfaUser(server);
    const challenge = await challengeOf(server, user.credentials.email);
    await Promise.all(Array.from({ length: 50 }, () => verify(server.url, challenge, user.wrong())));
    const { rows } = await server.db.query("SELECT tries FROM mfa_challenges WHERE user_id = $1", [user.user.id]);
    expect(rows).toStrictEqual([{ tries: 5 }]);
  });

  test("is over when the password was changed", async () => {
    const server = await startAppForTest();
    const user = await registerMfaUser(server);
    const challenge = await challengeOf(server, user.credentials.email);
    const passwords = { currentPassword: PASSWORD, newPassword: "another long passphrase" };
    expect((await changePassword(server.url, user.access_token, passwords)).status).toBe(200);
    expect(codeOf(await verify(server.url, challenge, user.code()))).toStrictEqual(INVALID);
  });

  test("is over when the user was disabled", async () => {
    const server = await startAppForTest();
    const user = await registerMfaUser(server);
    const challenge = await challengeOf(server, user.credentials.email);
    await server.db.query("UPDATE users SET disabled_at = now() WHERE id = $1", [user.user.id]);
    expect(codeOf(await verify(server.url, challenge, user.code()))).toStrictEqual(INVALID);
  });

  test("is good for the browser that got it, from whatever address", async () => {
    const server = await startAppForTest({ env: { TRUSTED_PROXIES: "127.0.0.1" } });
    const user = await registerMfaUser(server);
    const challenge = await challengeOf(server, user.credentials.email);
    const from = (headers: Record<string, string>) =>
      call<{ error: { code: string } }>(`${server.url}/auth/mfa/verify`, {
        body: { mfa_challenge: challenge, code: user.code() },
        headers,
      });
    expect(codeOf(await from({ "user-agent": "another" }))).toStrictEqual(INVALID);
    expect((await from({ "x-forwarded-for": "203.0.113.9" })).status).toBe(200);
  });

  test("is no token", async () => {
    const server = await startAppForTest();
    const user = await registerMfaUser(server);
    const challenge = await challengeOf(server, user.credentials.email);
    expect(codeOf(await me(server.url, challenge))).toStrictEqual([401, "token_invalid"]);
    expect(codeOf(await refresh(server.url, challenge))).toStrictEqual([401, "refresh_invalid"]);
    expect((await rpc(server.url, "ListSessions", { token: challenge })).reason).toBe("token_invalid");
    expect(codeOf(await verify(server.url, user.access_token, user.code()))).toStrictEqual([400, "validation_failed"]);
    expect(codeOf(await verify(server.url, user.refresh_token, user.code()))).toStrictEqual(INVALID);
  });

  test.each([
    ["no challenge", { code: "123456" }],
    ["no code", { mfa_challenge: "mfa_x" }],
    ["white space for a code", { mfa_challenge: "mfa_x", code: "   " }],
    ["a code of a kilobyte", { mfa_challenge: "mfa_x", code: "1".repeat(1024) }],
  ])("with %s is told what is missing", async (_name, body) => {
    const server = await startAppForTest();
    expect(codeOf(await call(`${server.url}/auth/mfa/verify`, { body }))).toStrictEqual([400, "validation_failed"]);
  });
});
