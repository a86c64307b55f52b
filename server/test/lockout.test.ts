import { describe, expect, test } from "vitest";
import { loginUser, newUser, PASSWORD, registerUser } from "./support/client.ts";
import { startAppForTest, type TestApp } from "./support/start-app.ts";

const WRONG = "not the passphrase";

type NewUser = ReturnType<typeof newUser>;

/** Gives the server so many wrong passwords, and says what it answered. */
async function guess(server: TestApp, identifier: string, count: number): Promise<string[]> {
  const codes: string[] = [];
  for (let i = 0; i < count; i++) codes.push((await loginUser(server.url, identifier, WRONG)).body.error.code);
  return codes;
}

const FIVE_WRONG = Array<string>(5).fill("invalid_credentials");

describe.each([
  ["an account", async (server: TestApp) => (await registerUser(server.url)).credentials.email],
  ["a username", async (server: TestApp) => (await registerUser(server.url)).credentials.username],
  ["an email nobody has", async () => newUser().email],
  ["a username nobody has", async () => newUser().username],
  ["a text that can name nobody", async () => "two words\u0000 and a NUL"],
])("%s", (_name, someone) => {
  test("is locked for 15 minutes by five failures", async () => {
    const server = await startAppForTest();
    const identifier = await someone(server);
    expect(await guess(server, identifier, 5)).toStrictEqual(FIVE_WRONG);
    const locked = await loginUser(server.url, identifier, PASSWORD);
    expect(locked.status).toBe(423);
    expect(locked.body.error.code).toBe("account_locked");
    expect(locked.headers.get("retry-after")).toBe("900");
    server.clock.advance(899);
    const last = await loginUser(server.url, identifier, PASSWORD);
    expect([last.status, last.headers.get("retry-after")]).toStrictEqual([423, "1"]);
    server.clock.advance(1);
    expect((await loginUser(server.url, identifier, WRONG)).status).toBe(401);
  });

  test("is locked twice as long each time, up to a day, and stays there", async () => {
    const server = await startAppForTest();
    const identifier = await someone(server);
    const lengths: number[] = [];
    for (let lock = 0; lock < 10; lock++) {
      expect(await guess(server, identifier, 5)).toStrictEqual(FIVE_WRONG);
      const { headers } = await loginUser(server.url, identifier, WRONG);
      lengths.push(Number(headers.get("retry-after")));
      server.clock.advance(lengths.at(-1) ?? 0);
    }
    const minutes = [15, 30, 60, 120, 240, 480, 960, 1440, 1440, 1440];
    expect(lengths).toStrictEqual(minutes.map((length) => length * 60));
  });

  test("starts again with 15 minutes after a day of peace", async () => {
    const server = await startAppForTest();
    const identifier = await someone(server);
    await guess(server, identifier, 5);
    server.clock.advance(900);
    await guess(server, identifier, 5);
    server.clock.advance(1800 + 86_400);
    await guess(server, identifier, 5);
    expect((await loginUser(server.url, identifier, WRONG)).headers.get("retry-after")).toBe("900");
  });

  test("is not locked by failures that 15 minutes lie between", async () => {
    const server = await startAppForTest();
    const identifier = await someone(server);
    await guess(server, identifier, 4);
    server.clock.advance(900);
    expect(await guess(server, identifier, 5)).toStrictEqual(FIVE_WRONG);
    expect(await guess(server, identifier, 1)).toStrictEqual(["account_locked"]);
  });
});

describe("a good login", () => {
  test("clears the count", async () => {
    const server = await startAppForTest();
    const { credentials } = await registerUser(server.url);
    for (let round = 0; round < 3; round++) {
      await guess(server, credentials.email, 4);
      expect((await loginUser(server.url, credentials.email)).status).toBe(200);
    }
  });

  test("clears the count of the other name too", async () => {
    const server = await startAppForTest();
    const { credentials } = await registerUser(server.url);
    for (let round = 0; round < 3; round++) {
      await guess(server, credentials.email, 4);
      expect((await loginUser(server.url, credentials.username)).status).toBe(200);
    }
    expect((await loginUser(server.url, credentials.email)).status).toBe(200);
  });

  test("after a lock clears its strikes too", async () => {
    const server = await startAppForTest();
    const { credentials } = await registerUser(server.url);
    await guess(server, credentials.email, 5);
    server.clock.advance(900);
    expect((await loginUser(server.url, credentials.email)).status).toBe(200);
    await guess(server, credentials.email, 5);
    expect((await loginUser(server.url, credentials.email)).headers.get("retry-after")).toBe("900");
  });
});

describe("a lock", () => {
  test("is of the account, by whichever name it was guessed at", async () => {
    const server = await startAppForTest();
    const { credentials } = await registerUser(server.url);
    await guess(server, credentials.email, 3);
    await guess(server, credentials.username.toUpperCase(), 2);
    for (const name of [credentials.email, credentials.username]) {
      expect((await loginUser(server.url, name)).status).toBe(401);
    }
    server.clock.advance(900);
    expect((await loginUser(server.url, credentials.email)).status).toBe(200);
    expect((await loginUser(server.url, credentials.username)).status).toBe(200);
  });

  test.each([
    ["email", (user: NewUser) => [user.username, user.email]],
    ["username", (user: NewUser) => [user.email, user.username]],
  ])(
    "that another name reached does not show at the %s, from the first answer to the second lock",
    async (_n, names) => {
      const server = await startAppForTest();
      const { credentials } = await registerUser(server.url);
      const answersOf = async (user: NewUser) => {
        const [guessed = "", other = ""] = names(user);
        await guess(server, guessed, 5);
        const answers = [];
        for (let i = 0; i < 7; i++) {
          const { status, headers, body } = await loginUser(server.url, other, i === 2 ? PASSWORD : WRONG);
          answers.push({ status, body, wait: headers.get("retry-after") });
        }
        return answers;
      };
      const known = await answersOf(credentials);
      expect(known.map(({ status }) => status)).toStrictEqual([401, 401, 401, 401, 401, 423, 423]);
      expect(known).toStrictEqual(await answersOf(newUser()));
    },
  );

  test("that another name reached costs a hash all the same, and stays when that cannot be computed", async () => {
    const server = await startAppForTest({
      env: { ARGON2_CONCURRENCY: "1", ARGON2_QUEUE: "0", ARGON2_MEMORY_KIB: "262144" },
    });
    const { credentials } = await registerUser(server.url);
    await guess(server, credentials.username, 5);
    const occupied = server.app.deps.hasher.hash("a password that takes its time");
    expect(await guess(server, credentials.email, 1)).toStrictEqual(["overloaded"]);
    await occupied;
    expect((await loginUser(server.url, credentials.email)).body.error.code).toBe("invalid_credentials");
  });

  test("is not prolonged by attempts while it lasts", async () => {
    const server = await startAppForTest();
    const { credentials } = await registerUser(server.url);
    await guess(server, credentials.email, 5);
    server.clock.advance(890);
    await guess(server, credentials.email, 20);
    server.clock.advance(10);
    expect((await loginUser(server.url, credentials.email)).status).toBe(200);
  });

  test("outlives the process", async () => {
    const server = await startAppForTest();
    const { credentials } = await registerUser(server.url);
    await guess(server, credentials.email, 5);
    const restarted = await startAppForTest({ databaseUrl: server.databaseUrl, keysDir: server.keysDir });
    expect((await loginUser(restarted.url, credentials.email)).status).toBe(423);
  });

  test("does not hash: it is decided before the password is looked at", async () => {
    const server = await startAppForTest({ env: { ARGON2_CONCURRENCY: "1", ARGON2_QUEUE: "0" } });
    const { credentials } = await registerUser(server.url);
    await guess(server, credentials.email, 5);
    await server.db.query("UPDATE users SET password_hash = 'no hash at all'");
    expect((await loginUser(server.url, credentials.email)).status).toBe(423);
  });
});

describe("an attempt whose password nobody looked at", () => {
  const busyEnv = { ARGON2_CONCURRENCY: "1", ARGON2_QUEUE: "0", ARGON2_MEMORY_KIB: "524288" };

  test.each([
    ["an account", async (server: TestApp) => (await registerUser(server.url)).credentials.email],
    ["an email nobody has", async () => newUser().email],
  ])("does not count against %s", async (_name, someone) => {
    const server = await startAppForTest({ env: busyEnv });
    const identifier = await someone(server);
    const occupied = server.app.deps.hasher.hash("a password that takes its time");
    const answers = await Promise.all(Array.from({ length: 7 }, () => loginUser(server.url, identifier, WRONG)));
    await occupied;
    expect(answers.map(({ body }) => body.error.code)).toContain("overloaded");
    const { rows } = await server.db.query("SELECT failures, strikes, locked_until FROM login_lockouts");
    const untouched = { failures: 0, strikes: 0, locked_until: null };
    expect(rows).toStrictEqual([untouched, untouched]);
    expect((await loginUser(server.url, identifier, WRONG)).status).toBe(401);
  });
});
