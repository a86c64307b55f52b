import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { call, loginUser, me, newUser, PASSWORD, registerUser, type Tokens } from "./support/client.ts";
import { startApp, type TestApp } from "./support/start-app.ts";
import { countEvents } from "./support/stored.ts";

type ErrorAnswer = { error: { code: string; message: string } };

let server: TestApp;
beforeAll(async () => {
  server = await startApp();
});
afterAll(() => server[Symbol.asyncDispose]());

const register = (body: object) => call<Tokens & ErrorAnswer>(`${server.url}/auth/register`, { body });
/** A name of 16 letters nobody else has. */
const letters = () => newUser().username.replaceAll(/\d/g, (digit) => String.fromCharCode(103 + Number(digit)));
const fullwidth = (text: string) =>
  [...text].map((letter) => String.fromCodePoint((letter.codePointAt(0) ?? 0) + 0xfee0)).join("");

describe("a registration", () => {
  test("creates the account and opens its session", async () => {
    const user = newUser();
    const answer = await register({ ...user, data_public: { display_name: "Ada", avatar_url: "https://a.example/a" } });
    expect(answer.status).toBe(201);
    expect(answer.body).toMatchObject({ token_type: "Bearer", expires_in: 900, refresh_expires_in: 604_800 });
    expect(answer.body.user).toStrictEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      email: user.email,
      username: user.username,
      roles: ["user"],
      permissions: [],
      is_admin: false,
      mfa_enabled: false,
      created_at: server.clock.now().toISOString(),
      data_public: { display_name: "Ada", avatar_url: "https://a.example/a" },
    });
    expect((await me(server.url, answer.body.access_token)).body.user).toStrictEqual(answer.body.user);
    expect(await countEvents(server, "user.registered", answer.body.user.id)).toStrictEqual({ audit: 1, outbox: 1 });
  });

  test("grants what the default role inherits", async () => {
    await server.db.query("INSERT INTO roles (name) VALUES ('reader')");
    await server.db.query("INSERT INTO role_permissions (role, permission) VALUES ('reader', 'books:read')");
    await server.db.query("INSERT INTO role_parents (role, parent) VALUES ('user', 'reader')");
    const first = await registerUser(server.url);
    await server.db.query("DELETE FROM roles WHERE name = 'reader'");
    expect(first.user).toMatchObject({ roles: ["reader", "user"], permissions: ["books:read"] });
  });

  test("stores none of what a user may not say of oneself", async () => {
    const answer = await register({
      ...newUser(),
      id: "00000000-0000-0000-0000-000000000000",
      roles: ["admin"],
      permissions: ["users:*"],
      is_admin: true,
      mfa_enabled: true,
      created_at: "1999-01-01T00:00:00Z",
      data_public: { display_name: "x", is_admin: true, roles: ["admin"] },
    });
    expect(answer.status).toBe(201);
    expect(answer.body.user).toMatchObject({ roles: ["user"], permissions: [], is_admin: false, mfa_enabled: false });
    expect(answer.body.user.id).not.toBe("00000000-0000-0000-0000-000000000000");
    expect(answer.body.user["created_at"]).toBe(server.clock.now().toISOString());
    expect(answer.body.user["data_public"]).toStrictEqual({ display_name: "x", avatar_url: "" });
  });

  test("is all or nothing", async () => {
    const user = newUser();
    await server.db.query("ALTER TABLE refresh_tokens RENAME TO refresh_tokens_away");
    const failed = await register(user);
    await server.db.query("ALTER TABLE refresh_tokens_away RENAME TO refresh_tokens");
    expect(failed.status).toBe(500);
    const { rowCount } = await server.db.query("SELECT FROM users WHERE email = $1", [user.email]);
    expect(rowCount).toBe(0);
    expect((await register(user)).status).toBe(201);
  });
});

describe("a registration that cannot be", () => {
  test("is told every field that is wrong at once", async () => {
    const answer = await register({ email: "nobody", username: "-", password: "" });
    expect(answer.status).toBe(400);
    expect(answer.body.error.code).toBe("validation_failed");
    for (const field of ["email: ", "username: ", "password: "]) expect(answer.body.error.message).toContain(field);
  });

  test.each([
    "plain",
    "@example.com",
    "a@",
    "a@b",
    "a@@example.com",
    "a b@example.com",
    "a@exa mple.com",
    "a@-example.com",
    "a@example.com.",
    ".a@example.com",
    "a..b@example.com",
    '"a"@example.com',
    "a@[127.0.0.1]",
    "a@127.0.0.1",
    "a@0x7f.1",
    "a@example.com/path",
    "a@example.com:25",
    "a@user@example.com",
    "a\u0000@example.com",
    "a@exam\u0000ple.com",
    "аda@example.com",
    "a\u200b@example.com",
    "a@exam\u200bple.com",
    "a@example.com\r\nBcc: b@example.com",
    `${"a".repeat(65)}@example.com`,
    `a@${"a".repeat(64)}.com`,
    `a@${"a.".repeat(130)}com`,
  ])("is refused for the email %j", async (email) => {
    const answer = await register({ ...newUser(), email });
    expect([answer.status, answer.body.error.code]).toStrictEqual([400, "validation_failed"]);
    expect(answer.body.error.message).toContain("email: ");
  });

  test.each(["ab", "a".repeat(33), "with space", "a@b", ".dot", "-dash", "nul\u0000l", "аdmin", "a\u200bdmin", ""])(
    "is refused for the username %j",
    async (username) => {
      const answer = await register({ ...newUser(), username });
      expect([answer.status, answer.body.error.code]).toStrictEqual([400, "validation_failed"]);
      expect(answer.body.error.message).toContain("username: ");
    },
  );

  test.each(["email", "username", "password"])(
    "is refused for a lone surrogate in %s, and not with 500",
    async (field) => {
      const user = { ...newUser(), [field]: "\ud800\ud800\ud800 a lone surrogate" };
      const answer = await register(user);
      expect(answer.status).toBe(400);
      expect(["validation_failed", "invalid_request"]).toContain(answer.body.error.code);
    },
  );

  test.each(["\u0000", "\ud800"])("is refused for public data with %j", async (text) => {
    expect((await register({ ...newUser(), data_public: { display_name: text } })).status).toBe(400);
  });

  test("is no registration with a backslash that only looks like an escape", async () => {
    const answer = await register({ ...newUser(), data_public: { display_name: "C:\\u0000\\ud800" } });
    expect(answer.status).toBe(201);
    expect(answer.body.user["data_public"]).toMatchObject({ display_name: "C:\\u0000\\ud800" });
  });

  test.each([
    ["email", { email: 1 }],
    ["password", { password: ["a", "b"] }],
    ["data_public", { data_public: "text" }],
  ])("is refused when %s is of another type", async (_field, wrong) => {
    expect((await register({ ...newUser(), ...wrong })).body.error.code).toBe("invalid_request");
  });
});

describe("a name that is taken", () => {
  test("is already_exists, and says which one", async () => {
    const { credentials } = await registerUser(server.url);
    const email = await register({ ...newUser(), email: credentials.email });
    expect([email.status, email.body.error.code]).toStrictEqual([409, "already_exists"]);
    expect(email.body.error.message).toContain("email");
    const username = await register({ ...newUser(), username: credentials.username });
    expect([username.status, username.body.error.code]).toStrictEqual([409, "already_exists"]);
    expect(username.body.error.message).toContain("username");
  });

  test.each([
    ["in capitals", (name: string) => `${name.toUpperCase()}@EXAMPLE.COM`],
    ["in fullwidth letters", (name: string) => fullwidth(`${name}@example.com`)],
    ["with blanks around it", (name: string) => `  ${name}@example.com\t`],
    ["with a fullwidth dot", (name: string) => `${name}@example\uff0ecom`],
  ])("is the same email %s", async (_name, disguise) => {
    const name = letters();
    await register({ ...newUser(), email: `${name}@example.com` });
    expect((await register({ ...newUser(), email: disguise(name) })).status).toBe(409);
    expect((await loginUser(server.url, disguise(name))).status).toBe(200);
  });

  test.each([
    ["in Unicode", "bücher.example", "xn--bcher-kva.example"],
    ["decomposed", "bücher.example", "bu\u0308cher.example"],
    ["in capitals", "bücher.example", "BÜCHER.example"],
    ["with an ideographic full stop", "bücher.example", "bücher\u3002example"],
  ])("is the same domain %s", async (_name, domain, twin) => {
    const name = letters();
    expect((await register({ ...newUser(), email: `${name}@${domain}` })).status).toBe(201);
    expect((await register({ ...newUser(), email: `${name}@${twin}` })).status).not.toBe(201);
  });

  test.each([
    ["in capitals", (name: string) => name.toUpperCase()],
    ["in fullwidth letters", fullwidth],
    ["with the Kelvin sign", (name: string) => name.replace("k", "\u212a")],
  ])("is the same username %s", async (_name, disguise) => {
    const name = `k${letters()}`;
    await register({ ...newUser(), username: name });
    expect((await register({ ...newUser(), username: disguise(name) })).status).toBe(409);
    expect((await loginUser(server.url, disguise(name), PASSWORD)).status).toBe(200);
  });
});
