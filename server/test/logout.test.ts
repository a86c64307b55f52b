import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { call, loginUser, me, refresh, registerUser } from "./support/client.ts";
import { startApp, type TestApp } from "./support/start-app.ts";
import { countEvents } from "./support/stored.ts";

let server: TestApp;
let replica: TestApp;
beforeAll(async () => {
  server = await startApp();
  replica = await startApp({ databaseUrl: server.databaseUrl, keysDir: server.keysDir });
});
afterAll(async () => {
  await replica[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const logout = (body: object, accessToken?: string) =>
  call(`${server.url}/auth/logout`, {
    body,
    headers: accessToken === undefined ? {} : { authorization: `Bearer ${accessToken}` },
  });

describe("logout", () => {
  test("with the refresh token ends its session at once, on every replica", async () => {
    const { refresh_token, access_token } = await registerUser(server.url);
    expect(await logout({ refresh_token })).toMatchObject({ status: 200, body: {} });
    for (const { url } of [server, replica]) {
      expect((await me(url, access_token)).body.error.code).toBe("token_revoked");
      expect((await refresh(url, refresh_token)).body.error.code).toBe("refresh_invalid");
    }
  });

  test("with the access token alone ends its session, and lists its jti", async () => {
    const { refresh_token, access_token } = await registerUser(server.url);
    const { jti } = await server.app.deps.accessTokens.verify(access_token);
    expect((await logout({}, access_token)).status).toBe(200);
    expect((await me(replica.url, access_token)).body.error.code).toBe("token_revoked");
    expect((await refresh(replica.url, refresh_token)).body.error.code).toBe("refresh_invalid");
    const listed = await server.db.query("SELECT jti FROM revoked_tokens WHERE jti = $1", [jti]);
    expect(listed.rowCount).toBe(1);
  });

  test("twice, or twenty times at once, is a success that happened once", async () => {
    const { refresh_token, access_token, user } = await registerUser(server.url);
    const answers = await Promise.all(Array.from({ length: 20 }, () => logout({ refresh_token }, access_token)));
    expect(new Set(answers.map(({ status }) => status))).toStrictEqual(new Set([200]));
    expect((await logout({ refresh_token }, access_token)).status).toBe(200);
    expect(await countEvents(server, "session.logged_out", user.id)).toStrictEqual({ audit: 1, outbox: 1 });
  });

  test("with an expired access token ends the session that it names", async () => {
    const { refresh_token, access_token } = await registerUser(server.url);
    server.clock.advance(1_000);
    expect((await me(server.url, access_token)).body.error.code).toBe("token_expired");
    expect((await logout({}, access_token)).status).toBe(200);
    expect((await refresh(server.url, refresh_token)).body.error.code).toBe("refresh_invalid");
  });

  test("with a used refresh token ends the session of the whole chain", async () => {
    const first = await registerUser(server.url);
    const second = await refresh(server.url, first.refresh_token);
    expect((await logout({ refresh_token: first.refresh_token })).status).toBe(200);
    expect((await refresh(server.url, second.body.refresh_token)).body.error.code).toBe("refresh_invalid");
    expect((await me(server.url, second.body.access_token)).body.error.code).toBe("token_revoked");
  });

  test("leaves the other sessions of the user, and everybody else's, alone", async () => {
    const mine = await registerUser(server.url);
    const phone = await loginUser(server.url, mine.credentials.email);
    const stranger = await registerUser(server.url);
    await logout({ refresh_token: mine.refresh_token }, mine.access_token);
    for (const { access_token, refresh_token } of [phone.body, stranger]) {
      expect((await me(server.url, access_token)).status).toBe(200);
      expect((await refresh(server.url, refresh_token)).status).toBe(200);
    }
  });

  test.each([
    ["nothing", {}, undefined],
    ["a refresh token that means nothing", { refresh_token: "garbage" }, undefined],
    ["an unknown refresh token", { refresh_token: `rt_${Buffer.alloc(32).toString("base64url")}` }, undefined],
    ["NUL", { refresh_token: "rt_\u0000" }, undefined],
    ["an access token that means nothing", {}, "garbage"],
    ["an altered access token", {}, "a.b.c.d.e"],
  ])("with %s is a success that changes nothing", async (_name, body, accessToken) => {
    const { access_token } = await registerUser(server.url);
    expect(await logout(body, accessToken)).toMatchObject({ status: 200, body: {} });
    expect((await me(server.url, access_token)).status).toBe(200);
  });

  test("with garbage beside a good token still ends the session of the good one", async () => {
    const { access_token, refresh_token } = await registerUser(server.url);
    await logout({ refresh_token: "garbage" }, access_token);
    expect((await refresh(server.url, refresh_token)).status).toBe(401);
  });
});
