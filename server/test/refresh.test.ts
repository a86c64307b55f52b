import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { call, loginUser, me, refresh, registerUser } from "./support/client.ts";
import { startApp, startAppForTest, type TestApp } from "./support/start-app.ts";
import { countEvents, dumpDatabase } from "./support/stored.ts";

let server: TestApp;
beforeAll(async () => {
  server = await startApp({ env: { REFRESH_RETRY_GRACE_S: "10", SESSION_MAX_AGE_S: "604800" } });
});
afterAll(() => server[Symbol.asyncDispose]());

const code = (answer: { status: number; body: { error?: { code: string } } }) => [
  answer.status,
  answer.body.error?.code,
];

describe("a refresh", () => {
  test("gives a new pair of tokens and leaves the old access token alive", async () => {
    const first = await registerUser(server.url);
    const answer = await refresh(server.url, first.refresh_token);
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ token_type: "Bearer", expires_in: 900, refresh_expires_in: 604_800 });
    expect(answer.body.refresh_token).toMatch(/^rt_[A-Za-z0-9_-]{43}$/);
    expect(answer.body.refresh_token).not.toBe(first.refresh_token);
    expect(answer.body).not.toHaveProperty("user");
    expect((await me(server.url, first.access_token)).status).toBe(200);
    expect((await me(server.url, answer.body.access_token)).status).toBe(200);
  });

  test("may go on along a chain as long as its session lives", async () => {
    let { refresh_token: token } = await registerUser(server.url);
    for (let step = 0; step < 10; step++) {
      const answer = await refresh(server.url, token);
      expect(answer.status).toBe(200);
      token = answer.body.refresh_token;
    }
  });

  test.each([
    ["an empty text", ""],
    ["another text", "hello"],
    ["a token nobody issued", `rt_${Buffer.alloc(32, 7).toString("base64url")}`],
    ["a token of 31 bytes", `rt_${Buffer.alloc(31, 7).toString("base64url")}`],
    ["a token with padding", `rt_${Buffer.alloc(32, 7).toString("base64url")}=`],
    ["an access token's shape", "a.b.c.d.e"],
    ["NUL", "rt_\u0000"],
  ])("answers refresh_invalid to %s", async (_name, token) => {
    expect(code(await refresh(server.url, token))).toStrictEqual([401, "refresh_invalid"]);
  });

  test("does not take the trailing bits of a token in another spelling", async () => {
    const { refresh_token: token } = await registerUser(server.url);
    const last = token.at(-1) ?? "";
    const twin = token.slice(0, -1) + String.fromCharCode(last.charCodeAt(0) + 1);
    expect((await refresh(server.url, twin)).status).toBe(401);
    expect((await refresh(server.url, token)).status).toBe(200);
  });

  test("does not take an access token", async () => {
    const { access_token } = await registerUser(server.url);
    expect(code(await refresh(server.url, access_token))).toStrictEqual([401, "refresh_invalid"]);
  });

  test("is refused to a user who is disabled", async () => {
    const { refresh_token, user } = await registerUser(server.url);
    await server.db.query("UPDATE users SET disabled_at = now() WHERE id = $1", [user.id]);
    expect(code(await refresh(server.url, refresh_token))).toStrictEqual([401, "refresh_invalid"]);
  });
});

describe("a lost answer", () => {
  test("is given again within the grace: the same successor, a fresh access token", async () => {
    const { refresh_token } = await registerUser(server.url);
    const lost = await refresh(server.url, refresh_token);
    server.clock.advance(9);
    const again = await refresh(server.url, refresh_token);
    expect(again.status).toBe(200);
    expect(again.body.refresh_token).toBe(lost.body.refresh_token);
    expect(again.body.access_token).not.toBe(lost.body.access_token);
    expect(again.body.refresh_expires_in).toBe(604_800 - 9);
    expect((await refresh(server.url, again.body.refresh_token)).status).toBe(200);
  });

  test("is found after the rotation was stored and nobody was told", async () => {
    const { refresh_token } = await registerUser(server.url);
    const { sessions, refreshTokens } = server.app.deps;
    const old = refreshTokens.parse(refresh_token) ?? refreshTokens.create();
    const successor = refreshTokens.create();
    await sessions.rotate({
      hash: old.hash,
      successorHash: successor.hash,
      successorSealed: refreshTokens.sealSuccessor(old, successor),
      successorLifeS: 604_800,
      now: server.clock.now(),
    });
    const retried = await refresh(server.url, refresh_token);
    expect(retried.status).toBe(200);
    expect(retried.body.refresh_token).toBe(successor.token);
    expect((await refresh(server.url, successor.token)).status).toBe(200);
  });

  test("is a replay after the grace", async () => {
    const { refresh_token } = await registerUser(server.url);
    const lost = await refresh(server.url, refresh_token);
    server.clock.advance(11);
    expect(code(await refresh(server.url, refresh_token))).toStrictEqual([401, "refresh_reused"]);
    expect(code(await refresh(server.url, lost.body.refresh_token))).toStrictEqual([401, "refresh_invalid"]);
  });

  test("is a replay at once when the grace is off", async () => {
    const strict = await startAppForTest({ env: { REFRESH_RETRY_GRACE_S: "0" } });
    const { refresh_token } = await registerUser(strict.url);
    await refresh(strict.url, refresh_token);
    strict.clock.advance(1);
    expect(code(await refresh(strict.url, refresh_token))).toStrictEqual([401, "refresh_reused"]);
  });

  test("is a replay in the same millisecond when the grace is off", async () => {
    const strict = await startAppForTest({ env: { REFRESH_RETRY_GRACE_S: "0" } });
    const { refresh_token } = await registerUser(strict.url);
    await refresh(strict.url, refresh_token);
    expect(code(await refresh(strict.url, refresh_token))).toStrictEqual([401, "refresh_reused"]);
  });
});

describe("a used token that comes back after its successor was used", () => {
  test("ends the session and its access tokens, and is recorded once", async () => {
    const first = await registerUser(server.url);
    const second = await refresh(server.url, first.refresh_token);
    const third = await refresh(server.url, second.body.refresh_token);
    expect(code(await refresh(server.url, first.refresh_token))).toStrictEqual([401, "refresh_reused"]);

    expect(code(await refresh(server.url, third.body.refresh_token))).toStrictEqual([401, "refresh_invalid"]);
    for (const { access_token } of [first, second.body, third.body]) {
      expect(code(await me(server.url, access_token))).toStrictEqual([401, "token_revoked"]);
    }
    await refresh(server.url, first.refresh_token);
    const counts = await countEvents(server, "session.refresh_reused", first.user.id);
    expect(counts).toStrictEqual({ audit: 1, outbox: 1 });
  });

  test("ends that session alone", async () => {
    const first = await registerUser(server.url);
    const other = await loginUser(server.url, first.credentials.email);
    const second = await refresh(server.url, first.refresh_token);
    await refresh(server.url, second.body.refresh_token);
    await refresh(server.url, first.refresh_token);
    expect((await me(server.url, other.body.access_token)).status).toBe(200);
    expect((await refresh(server.url, other.body.refresh_token)).status).toBe(200);
  });
});

describe("the life of a refresh token", () => {
  test("ends with REFRESH_TTL_S, and says so", async () => {
    const short = await startAppForTest({ env: { REFRESH_TTL_S: "600", SESSION_MAX_AGE_S: "86400" } });
    const { refresh_token } = await registerUser(short.url);
    short.clock.advance(601);
    expect(code(await refresh(short.url, refresh_token))).toStrictEqual([401, "refresh_expired"]);
  });

  test("never goes past SESSION_MAX_AGE_S, however often it is rotated", async () => {
    const capped = await startAppForTest({ env: { REFRESH_TTL_S: "600", SESSION_MAX_AGE_S: "900" } });
    const first = await registerUser(capped.url);
    expect(first.refresh_expires_in).toBe(600);
    capped.clock.advance(500);
    const second = await refresh(capped.url, first.refresh_token);
    expect(second.body.refresh_expires_in).toBe(400);
    capped.clock.advance(399);
    const third = await refresh(capped.url, second.body.refresh_token);
    expect(third.body.refresh_expires_in).toBe(1);
    capped.clock.advance(1);
    expect(code(await refresh(capped.url, third.body.refresh_token))).toStrictEqual([401, "refresh_expired"]);
    expect(code(await me(capped.url, third.body.access_token))).toStrictEqual([401, "token_revoked"]);
  });

  test("ends with SESSION_IDLE_S unless it is used before", async () => {
    const idle = await startAppForTest({ env: { SESSION_IDLE_S: "300" } });
    const first = await registerUser(idle.url);
    expect(first.refresh_expires_in).toBe(300);
    idle.clock.advance(299);
    const second = await refresh(idle.url, first.refresh_token);
    expect(second.status).toBe(200);
    idle.clock.advance(301);
    expect(code(await refresh(idle.url, second.body.refresh_token))).toStrictEqual([401, "refresh_expired"]);
  });
});

describe("the state of refresh tokens", () => {
  test("survives a restart", async () => {
    const { refresh_token } = await registerUser(server.url);
    const second = await refresh(server.url, refresh_token);
    await refresh(server.url, second.body.refresh_token);
    const restarted = await startAppForTest({ databaseUrl: server.databaseUrl, keysDir: server.keysDir });
    expect(code(await refresh(restarted.url, refresh_token))).toStrictEqual([401, "refresh_reused"]);
    expect(code(await me(server.url, second.body.access_token))).toStrictEqual([401, "token_revoked"]);
  });

  test("holds nothing that yields a token", async () => {
    const first = await registerUser(server.url);
    const second = await refresh(server.url, first.refresh_token);
    const dump = await dumpDatabase(server.db);
    expect(dump).toContain(first.credentials.email);
    for (const token of [first.refresh_token, second.body.refresh_token]) {
      const secret = Buffer.from(token.slice(3), "base64url");
      for (const trace of [token.slice(3), secret.toString("hex"), secret.toString("base64"), hex(token)]) {
        expect(dump).not.toContain(trace);
      }
    }
    expect(dump).not.toContain(first.access_token);
    expect(dump).not.toContain(first.credentials.password);
  });

  test("is not looked for in a URL", async () => {
    const { refresh_token } = await registerUser(server.url);
    const url = `${server.url}/auth/token/refresh?refresh_token=${refresh_token}`;
    expect((await call(url, { body: {} })).status).toBe(401);
    expect((await refresh(server.url, refresh_token)).status).toBe(200);
  });
});

function hex(text: string): string {
  return Buffer.from(text).toString("hex");
}
