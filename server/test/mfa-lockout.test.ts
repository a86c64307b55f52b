import { describe, expect, test } from "vitest";
import { loginUser, newUser, PASSWORD, registerUser } from "./support/client.ts";
import { challengeOf, type MfaUser, mfa, registerMfaUser, verify } from "./support/mfa.ts";
import { rpc } from "./support/rpc.ts";
import { startAppForTest, type TestApp } from "./support/start-app.ts";

const codeOf = ({ body }: { body: { error?: { code: string } } }) => body.error?.code;

/** So many wrong codes, each with a challenge of its own. */
async function guess(server: TestApp, user: MfaUser, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const challenge = await challengeOf(server, user.credentials.email);
    expect(codeOf(await verify(server.url, challenge, user.wrong()))).toBe("mfa_invalid");
  }
}

describe("wrong codes", () => {
  test("lock the account as wrong passwords do, however many challenges they come with", async () => {
    const server = await startAppForTest();
    const user = await registerMfaUser(server);
    const kept = await challengeOf(server, user.credentials.email);
    await guess(server, user, 5);
    const locked = await verify(server.url, kept, user.code());
    expect([locked.status, codeOf(locked), locked.headers.get("retry-after")]).toStrictEqual([
      423,
      "account_locked",
      "900",
    ]);
    const login = await loginUser(server.url, user.credentials.email);
    expect([codeOf(login), login.headers.get("retry-after")]).toStrictEqual(["account_locked", "900"]);
    server.clock.advance(900);
    const after = await verify(server.url, await challengeOf(server, user.credentials.email), user.code());
    expect(after.status).toBe(200);
  });

  test("and wrong passwords are counted together", async () => {
    const server = await startAppForTest();
    const user = await registerMfaUser(server);
    await guess(server, user, 2);
    for (let i = 0; i < 3; i++) await loginUser(server.url, user.credentials.email, "not the passphrase");
    expect(codeOf(await loginUser(server.url, user.credentials.email))).toBe("account_locked");
  });

  test("are looked at five times, of 40 that come at once", async () => {
    const server = await startAppForTest();
    const user = await registerMfaUser(server);
    const challenges: string[] = [];
    for (let i = 0; i < 40; i++) challenges.push(await challengeOf(server, user.credentials.email));
    const answers = await Promise.all(challenges.map((challenge) => verify(server.url, challenge, user.wrong())));
    expect(answers.filter((answer) => codeOf(answer) === "mfa_invalid")).toHaveLength(5);
    expect(answers.filter((answer) => codeOf(answer) === "account_locked")).toHaveLength(35);
  });

  test("are forgiven by a right one, and not by a right password", async () => {
    const server = await startAppForTest();
    const user = await registerMfaUser(server);
    await guess(server, user, 4);
    for (let i = 0; i < 3; i++) await challengeOf(server, user.credentials.email);
    expect((await verify(server.url, await challengeOf(server, user.credentials.email), user.code())).status).toBe(200);
    await guess(server, user, 4);
    await challengeOf(server, user.credentials.email);
    await guess(server, user, 1);
    expect(codeOf(await loginUser(server.url, user.credentials.email))).toBe("account_locked");
  });

  test("of challenges that nobody has lock nobody, and fill no table", async () => {
    const server = await startAppForTest();
    const user = await registerMfaUser(server);
    for (let i = 0; i < 12; i++) {
      expect(codeOf(await verify(server.url, `mfa_${"A".repeat(42)}${i % 10}`, "123456"))).toBe("mfa_invalid");
    }
    const { rows } = await server.db.query("SELECT subject FROM login_lockouts ORDER BY subject");
    for (const { subject } of rows) expect(subject).toMatch(/^(name|user):mfa:[0-9a-f]{2}$/);
    expect((await verify(server.url, await challengeOf(server, user.credentials.email), user.code())).status).toBe(200);
  });
});

describe("a right password", () => {
  test("is no failure: 20 logins that go no further lock nobody", async () => {
    const server = await startAppForTest();
    const user = await registerMfaUser(server);
    for (let i = 0; i < 20; i++) await challengeOf(server, user.credentials.username);
    expect((await verify(server.url, await challengeOf(server, user.credentials.email), user.code())).status).toBe(200);
  });

  test("does not take the failures of others back", async () => {
    const server = await startAppForTest();
    const user = await registerMfaUser(server);
    await Promise.all([
      ...Array.from({ length: 4 }, () => loginUser(server.url, user.credentials.email, "not the passphrase")),
      loginUser(server.url, user.credentials.email),
    ]);
    const { rows } = await server.db.query("SELECT DISTINCT failures FROM login_lockouts");
    expect(rows).toStrictEqual([{ failures: 4 }]);
  });
});

describe("guesses of who is logged in", () => {
  test.each([
    [
      "at Reauthenticate",
      "mfa_invalid",
      (server: TestApp, user: MfaUser) =>
        rpc(server.url, "Reauthenticate", {
          token: user.access_token,
          body: { password: PASSWORD, code: user.wrong() },
        }),
    ],
    [
      "of the password at Reauthenticate",
      "invalid_credentials",
      (server: TestApp, user: MfaUser) =>
        rpc(server.url, "Reauthenticate", { token: user.access_token, body: { password: "wrong", code: user.code() } }),
    ],
    [
      "at DisableTotp",
      "mfa_invalid",
      (server: TestApp, user: MfaUser) =>
        mfa(server.url, "DisableTotp", { token: user.access_token, body: { code: user.wrong() } }),
    ],
  ] as const)("%s count like failed logins", async (_name, reason, once) => {
    const server = await startAppForTest();
    const user = await registerMfaUser(server);
    for (let i = 0; i < 5; i++) expect((await once(server, user)).reason).toBe(reason);
    const locked = await once(server, user);
    expect([locked.reason, locked.headers.get("retry-after")]).toStrictEqual(["account_locked", "900"]);
    expect((await loginUser(server.url, user.credentials.email)).status).toBe(401);
  });
});

test("a login without a second factor still clears the count", async () => {
  const server = await startAppForTest();
  const { credentials } = await registerUser(server.url, newUser());
  for (let i = 0; i < 4; i++) await loginUser(server.url, credentials.email, "not the passphrase");
  await loginUser(server.url, credentials.email);
  expect((await server.db.query("SELECT FROM login_lockouts")).rowCount).toBe(0);
});
