import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { backend, newServiceAccount, reasonOf, TRANSPORTS } from "./support/backend.ts";
import { call, refresh, registerUser } from "./support/client.ts";
import { startApp, startAppForTest, type TestApp } from "./support/start-app.ts";

let server: TestApp;
let secret: string;
beforeAll(async () => {
  server = await startApp();
  secret = await newServiceAccount(server);
});
afterAll(() => server[Symbol.asyncDispose]());

const validate = (accessToken: string, url = server.url, by = secret) =>
  backend(url, by).tokens.validateToken({ accessToken });

describe("validating a token", () => {
  test.each(TRANSPORTS)("by %s says whose it is", async (_name, createTransport) => {
    const { user, access_token: accessToken } = await registerUser(server.url);
    const answer = await backend(server.url, secret, createTransport).tokens.validateToken({ accessToken });
    const { sessionId, jti, expiresAt } = await server.app.deps.accessTokens.verify(accessToken);
    expect(answer).toMatchObject({
      userId: user.id,
      username: user["username"],
      roles: ["user"],
      permissions: [],
      sessionId,
      jti,
      expiresAt: { seconds: BigInt(expiresAt.getTime() / 1000) },
    });
  });

  test("knows no token that says less, or more, than the roles of this moment", async () => {
    const { user, access_token: old, refresh_token } = await registerUser(server.url);
    await server.db.query("INSERT INTO user_roles (user_id, role, granted_at) VALUES ($1, 'admin', now())", [user.id]);
    expect(await reasonOf(validate(old))).toBe("token_expired");
    const { body } = await refresh(server.url, refresh_token);
    expect(await validate(body.access_token)).toMatchObject({
      roles: ["admin", "user"],
      permissions: ["audit:read", "roles:*", "users:*"],
    });
  });

  test("refuses it from the moment its session ends, on every replica", async () => {
    const replica = await startAppForTest({ databaseUrl: server.databaseUrl, keysDir: server.keysDir });
    const { access_token: accessToken, refresh_token } = await registerUser(server.url);
    expect(await reasonOf(validate(accessToken, replica.url))).toBeUndefined();
    await call(`${server.url}/auth/logout`, { body: { refresh_token } });
    expect(await reasonOf(validate(accessToken, replica.url))).toBe("token_revoked");
    expect(await reasonOf(validate(accessToken))).toBe("token_revoked");
  });

  test("is good until its session ends, if that is before the token does", async () => {
    const idle = await startAppForTest({ env: { SESSION_IDLE_S: "60" } });
    const { access_token } = await registerUser(idle.url);
    const { expiresAt } = await validate(access_token, idle.url, await newServiceAccount(idle));
    expect(Number(expiresAt?.seconds) - idle.clock.now().getTime() / 1000).toBeLessThanOrEqual(60);
    expect(Number(expiresAt?.seconds) - idle.clock.now().getTime() / 1000).toBeGreaterThan(50);
  });

  test("refuses it when its user is disabled", async () => {
    const { user, access_token: accessToken } = await registerUser(server.url);
    await server.db.query("UPDATE users SET disabled_at = now() WHERE id = $1", [user.id]);
    expect(await reasonOf(validate(accessToken))).toBe("token_revoked");
  });

  test("refuses what is none, and one that is over", async () => {
    const { access_token, refresh_token } = await registerUser(server.url);
    for (const other of ["", "x", refresh_token, secret, `${access_token}x`, "x".repeat(20_000)]) {
      expect(await reasonOf(validate(other))).toBe("token_invalid");
    }
    server.clock.advance(931);
    expect(await reasonOf(validate(access_token))).toBe("token_expired");
  });

  test("is recorded under the name of who asked", async () => {
    const own = await newServiceAccount(server, { name: "asks-a-lot" });
    await reasonOf(backend(server.url, own).tokens.validateToken({ accessToken: "x" }));
    expect(server.logs.filter(({ service }) => service === "asks-a-lot")).toMatchObject([
      { msg: "call", procedure: "backend.v1.TokenService/ValidateToken", code: "token_invalid" },
    ]);
  });
});
