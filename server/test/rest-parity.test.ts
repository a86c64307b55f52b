import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RESPONSES } from "../src/rpc/errors.ts";
import { call, type ErrorBody, me, newUser, PASSWORD, registerUser, type Tokens } from "./support/client.ts";
import { authClient, bearer, refusalOf, TRANSPORTS } from "./support/protocols.ts";
import { startApp, type TestApp } from "./support/start-app.ts";

let server: TestApp;
beforeAll(async () => {
  server = await startApp();
});
afterAll(() => server[Symbol.asyncDispose]());

describe.each(Object.keys(TRANSPORTS))("%s", (protocol) => {
  test("registers, logs in, reads, refreshes and logs out, with the data of the plain routes", async () => {
    const client = authClient(protocol, server.url);
    const user = newUser();
    const registered = await client.register({ ...user, dataPublic: { displayName: "Ana" } });
    const login = await client.login({ identifier: user.email, password: PASSWORD });
    expect(login).toMatchObject({ tokenType: "Bearer", expiresIn: 900, refreshExpiresIn: 604_800 });
    const { user: own } = await client.getMe({}, bearer(login.accessToken));
    const plain = (await me(server.url, login.accessToken)).body.user as Record<string, unknown>;
    expect(own).toMatchObject({
      id: plain["id"],
      email: plain["email"],
      username: plain["username"],
      roles: plain["roles"],
      isAdmin: false,
      dataPublic: { displayName: "Ana", avatarUrl: "" },
    });
    expect(own?.id).toBe(registered.user?.id);
    const next = await client.refreshToken({ refreshToken: login.refreshToken ?? "" });
    expect(next.refreshToken).toMatch(/^rt_[\w-]{43}$/);
    const { sessions } = await client.listSessions({}, bearer(next.accessToken));
    expect(sessions.map(({ current }) => current).sort()).toStrictEqual([false, true]);
    await client.logout({ refreshToken: next.refreshToken ?? "" });
    expect(await refusalOf(client.getMe({}, bearer(next.accessToken)))).toMatchObject({ reason: "token_revoked" });
  });

  test("refuses with the code, the message and the status of the contract", async () => {
    const client = authClient(protocol, server.url);
    const { refresh_token } = await registerUser(server.url);
    await call(`${server.url}/auth/token/refresh`, { body: { refresh_token } });
    const { body: second } = await call<Tokens>(`${server.url}/auth/token/refresh`, { body: { refresh_token } });
    await call(`${server.url}/auth/token/refresh`, { body: { refresh_token: second.refresh_token } });
    const nobody = { identifier: newUser().email, password: PASSWORD };
    const weak = { ...newUser(), password: "password1234" };
    const samples: [() => Promise<unknown>, string, unknown][] = [
      [() => client.login(nobody), "login", nobody],
      [() => client.login({ identifier: "", password: "" }), "login", { identifier: "", password: "" }],
      [() => client.register(weak), "register", weak],
      [() => client.register({ ...newUser(), email: "no" }), "register", { ...newUser(), email: "no" }],
      [() => client.refreshToken({ refreshToken: "rt_no" }), "token/refresh", { refresh_token: "rt_no" }],
    ];
    for (const [refused, route, body] of samples) {
      const refusal = await refusalOf(refused());
      const plain = await call<ErrorBody>(`${server.url}/auth/${route}`, { body });
      const response = RESPONSES[plain.body.error.code as keyof typeof RESPONSES];
      expect(refusal).toStrictEqual({
        reason: plain.body.error.code,
        domain: "auth",
        code: Code[response.code],
        message: plain.body.error.message,
      });
      expect(plain.status).toBe(response.httpStatus);
    }
    expect(await refusalOf(client.refreshToken({ refreshToken: refresh_token }))).toMatchObject({
      reason: "refresh_reused",
    });
    expect(await refusalOf(client.getMe({}))).toMatchObject({ reason: "token_missing", code: "Unauthenticated" });
  });
});

describe("the plain routes", () => {
  test("take snake_case and camelCase, and answer in snake_case", async () => {
    const user = newUser();
    const { body } = await call<Tokens>(`${server.url}/auth/register`, {
      body: { ...user, dataPublic: { displayName: "Ana" } },
    });
    expect(Object.keys(body).sort()).toStrictEqual(
      ["access_token", "expires_in", "refresh_expires_in", "refresh_token", "token_type", "user"].sort(),
    );
    expect(Object.keys(body.user).sort()).toStrictEqual(
      [
        "created_at",
        "data_public",
        "email",
        "id",
        "is_admin",
        "mfa_enabled",
        "permissions",
        "roles",
        "username",
      ].sort(),
    );
    const answer = await call(`${server.url}/auth/token/refresh`, { body: { refreshToken: body.refresh_token } });
    expect(answer.status).toBe(200);
    expect((await call(`${server.url}/auth/logout`, { body: {} })).body).toStrictEqual({});
  });
});
