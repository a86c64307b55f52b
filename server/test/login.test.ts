import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { call, loginUser, me, newUser, PASSWORD, registerUser } from "./support/client.ts";
import { startApp, type TestApp } from "./support/start-app.ts";

let server: TestApp;
beforeAll(async () => {
  server = await startApp();
});
afterAll(() => server[Symbol.asyncDispose]());

describe("login", () => {
  test("opens a session by email and by username, whatever their case", async () => {
    const { credentials, user } = await registerUser(server.url);
    for (const identifier of [credentials.email, credentials.username, credentials.email.toUpperCase()]) {
      const answer = await loginUser(server.url, identifier);
      expect(answer.status).toBe(200);
      expect(answer.body).toMatchObject({ token_type: "Bearer", expires_in: 900, refresh_expires_in: 604_800 });
      expect((await me(server.url, answer.body.access_token)).body.user.id).toBe(user.id);
    }
  });

  test.each(["email", "username"] as const)("takes %s for identifier", async (alias) => {
    const { credentials } = await registerUser(server.url);
    const body = { [alias]: credentials[alias], password: PASSWORD };
    expect((await call(`${server.url}/auth/login`, { body })).status).toBe(200);
    expect((await call(`${server.url}/auth/token`, { body })).status).toBe(200);
  });

  test("does not choose between two names", async () => {
    const { credentials } = await registerUser(server.url);
    const body = { identifier: credentials.username, email: newUser().email, password: PASSWORD };
    const answer = await call(`${server.url}/auth/login`, { body });
    expect([answer.status, answer.body]).toMatchObject([400, { error: { code: "validation_failed" } }]);
  });

  test("refuses a wrong password and an unknown user with the same answer", async () => {
    const { credentials } = await registerUser(server.url);
    const wrong = await loginUser(server.url, credentials.email, "not the passphrase");
    const unknown = await loginUser(server.url, newUser().email, "not the passphrase");
    expect(wrong.status).toBe(401);
    expect(wrong.body).toStrictEqual({
      error: { code: "invalid_credentials", message: "The username, email or password is wrong." },
    });
    expect(unknown).toMatchObject({ status: wrong.status, body: wrong.body });
  });

  test("records every attempt, good or bad", async () => {
    const { credentials, user } = await registerUser(server.url);
    await loginUser(server.url, credentials.email, "not the passphrase");
    await loginUser(server.url, credentials.email);
    const { rows } = await server.db.query("SELECT result FROM login_attempts WHERE user_id = $1 ORDER BY id", [
      user.id,
    ]);
    expect(rows.map((row) => row.result)).toStrictEqual(["invalid_credentials", "succeeded"]);
  });
});
