import bcrypt from "bcryptjs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { call, loginUser, newUser, PASSWORD, registerUser } from "./support/client.ts";
import { startApp, startAppForTest, type TestApp } from "./support/start-app.ts";

let server: TestApp;
beforeAll(async () => {
  server = await startApp();
});
afterAll(() => server[Symbol.asyncDispose]());

const GOOD = "xq7 vellum gorse ";
const register = async (password: string, user: object = newUser()) => {
  const { body } = await call<{ error?: { code: string } }>(`${server.url}/auth/register`, {
    body: { ...user, password },
  });
  return body.error?.code;
};
const hashOf = async (app: TestApp, userId: string): Promise<string> =>
  (await app.db.query("SELECT password_hash FROM users WHERE id = $1", [userId])).rows[0]?.password_hash;

describe("a password", () => {
  test("has 12 to 128 characters", async () => {
    expect(await register("xq7 vellum ")).toBe("weak_password");
    expect(await register("xq7 vellum g")).toBeUndefined();
    expect(await register(GOOD.repeat(8).slice(0, 128))).toBeUndefined();
    expect(await register(GOOD.repeat(8).slice(0, 129))).toBe("weak_password");
    expect(await register(GOOD.repeat(8_000))).toBe("weak_password");
  });

  test("is measured in characters after NFKC, not in bytes or code units", async () => {
    expect(await register("🦊🐻🐼🐨🐯🦁🐮🐷🐸🐵🐔")).toBe("weak_password");
    expect(await register("🦊🐻🐼🐨🐯🦁🐮🐷🐸🐵🐔🐧")).toBeUndefined();
    expect(await register(`${"e\u0301".repeat(3)}gorse q`)).toBe("weak_password");
    expect(await register("\ufdfa".repeat(9))).toBe("weak_password");
  });

  test.each([
    "password1234",
    "Password1234!",
    "P@ssw0rd1234",
    "!!!password!!!",
    "iloveyou1234",
    "qwertyqwerty",
    "123456123456",
    "letmeinletmein",
    "aaaaaaaaaaaaaaa",
    "abababababab",
    "abcdefghijklm",
    "zyxwvutsrqponm",
    "ｐａｓｓｗｏｒｄ１２３４",
  ])("is refused when it is common, like %s", async (password) => {
    expect(await register(password)).toBe("weak_password");
  });

  test("does not hold the username or the email's name, in any case or width", async () => {
    const user = { ...newUser(), email: `margarethe@${newUser().username}.example` };
    const wide = "ＭＡＲＧＡＲＥＴＨＥ";
    for (const password of [`xq7 ${user.username} vel`, "xq7 MargarethE vel", `xq7 ${wide} vel`]) {
      expect(await register(password, user)).toBe("weak_password");
    }
  });

  test("is one password in its composed and its decomposed form", async () => {
    const user = newUser();
    expect(await register("crème brûlée für zwölf".normalize("NFC"), user)).toBeUndefined();
    for (const form of ["NFC", "NFD", "NFKC", "NFKD"]) {
      const answer = await loginUser(server.url, user.email, "crème brûlée für zwölf".normalize(form));
      expect(answer.status).toBe(200);
    }
  });

  test("counts to its last byte: nothing is cut off at 72", async () => {
    const user = newUser();
    const long = GOOD.repeat(8).slice(0, 100);
    expect(await register(long, user)).toBeUndefined();
    expect((await loginUser(server.url, user.email, `${long.slice(0, 99)}?`)).status).toBe(401);
    expect((await loginUser(server.url, user.email, long)).status).toBe(200);
  });

  test("over the limit is refused before anything is hashed or counted", async () => {
    const { credentials } = await registerUser(server.url);
    for (let i = 0; i < 7; i++) {
      const answer = await loginUser(server.url, credentials.email, "a".repeat(129 + i * 1000));
      expect(answer.body.error.code).toBe("validation_failed");
    }
    expect((await loginUser(server.url, credentials.email)).status).toBe(200);
  });

  test.each(["", "nul \u0000 and more of it"])(
    "that cannot be typed, %j, is a validation_failed at login",
    async (password) => {
      const { credentials } = await registerUser(server.url);
      const answer = await loginUser(server.url, credentials.email, password);
      expect([answer.status, answer.body.error.code]).toStrictEqual([400, "validation_failed"]);
    },
  );
});

describe("an old hash", () => {
  test("of bcrypt verifies, and is argon2id after the first good login", async () => {
    const { user, credentials } = await registerUser(server.url);
    await server.db.query("UPDATE users SET password_hash = $2 WHERE id = $1", [user.id, bcrypt.hashSync(PASSWORD, 4)]);
    expect((await loginUser(server.url, credentials.email, "not the passphrase")).status).toBe(401);
    expect(await hashOf(server, user.id)).toMatch(/^\$2/);
    expect((await loginUser(server.url, credentials.email)).status).toBe(200);
    expect(await hashOf(server, user.id)).toMatch(/^\$argon2id\$v=19\$m=64,t=1,p=1\$/);
    expect((await loginUser(server.url, credentials.email)).status).toBe(200);
  });

  test("of bcrypt does not verify over 72 bytes, where any other end would do, nor is it replaced", async () => {
    const { user, credentials } = await registerUser(server.url);
    const longest = "\u00e9".repeat(36);
    const stored = bcrypt.hashSync(`${longest} and its end`, 4);
    await server.db.query("UPDATE users SET password_hash = $2 WHERE id = $1", [user.id, stored]);
    for (const end of [" and its end", " and another", "x"]) {
      const answer = await loginUser(server.url, credentials.email, longest + end);
      expect([answer.status, answer.body.error.code]).toStrictEqual([401, "invalid_credentials"]);
    }
    expect(await hashOf(server, user.id)).toBe(stored);
    expect((await loginUser(server.url, credentials.email, longest)).status).toBe(200);
  });

  test("with other parameters verifies, and has today's after the first good login", async () => {
    const costlier = await startAppForTest({
      databaseUrl: server.databaseUrl,
      keysDir: server.keysDir,
      env: { ARGON2_MEMORY_KIB: "128", ARGON2_PASSES: "2" },
    });
    const { user, credentials } = await registerUser(server.url);
    expect((await loginUser(costlier.url, credentials.email)).status).toBe(200);
    expect(await hashOf(server, user.id)).toMatch(/^\$argon2id\$v=19\$m=128,t=2,p=1\$/);
  });

  test("stays as it is when it is today's", async () => {
    const { user, credentials } = await registerUser(server.url);
    const before = await hashOf(server, user.id);
    await loginUser(server.url, credentials.email);
    expect(await hashOf(server, user.id)).toBe(before);
  });

  test("without the pepper verifies, and has it after the first good login", async () => {
    const peppered = await startAppForTest({
      databaseUrl: server.databaseUrl,
      keysDir: server.keysDir,
      env: { PASSWORD_PEPPER: "a pepper of at least 32 characters, for tests" },
    });
    const { user, credentials } = await registerUser(server.url);
    expect((await loginUser(peppered.url, credentials.email)).status).toBe(200);
    expect(await hashOf(server, user.id)).toMatch(/^hmac-sha256\$argon2id/);
    expect((await loginUser(peppered.url, credentials.email)).status).toBe(200);
    expect((await loginUser(peppered.url, credentials.email, "not the passphrase")).status).toBe(401);
  });
});
