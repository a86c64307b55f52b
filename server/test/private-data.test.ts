import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createDataCipher } from "../src/crypto/data-cipher.ts";
import { loginUser, PASSWORD, registerUser } from "./support/client.ts";
import { registerMfaUser } from "./support/mfa.ts";
import { profile } from "./support/profile.ts";
import { changePassword, rpc } from "./support/rpc.ts";
import { startApp, startAppForTest, type TestApp } from "./support/start-app.ts";
import { countEvents } from "./support/stored.ts";

const NEW_PASSWORD = "quite another passphrase";
const RESET_PASSWORD = "what an administrator said";
const PEPPER = "a pepper of at least 32 characters";
const WRONG = "not the passphrase";
const SECRETS = { bankAccount: "GB33BUKB20201555555555", documentNumber: "C01X00T47" };
const RECOVERY_KEY = /^([0-9A-HJKMNP-TV-Z]{4}-){13}[0-9A-HJKMNP-TV-Z]{4}$/;

let server: TestApp;
beforeAll(async () => {
  server = await startApp();
});
afterAll(() => server[Symbol.asyncDispose]());

const unlock = (token: string, password = PASSWORD, recoveryKey = "", url = server.url) =>
  profile(url, "UnlockPrivateData", { token, password, recoveryKey });
const update = (token: string, body: object, password = PASSWORD) =>
  profile(server.url, "UpdatePrivateData", { token, password, ...body });

async function somebody() {
  const { access_token: token, user, credentials } = await registerUser(server.url);
  const { recoveryKey = "" } = await update(token, { dataPrivate: SECRETS });
  return { token, user, credentials, recoveryKey };
}

/** What an administrator does, who does not know the password. */
async function reset(user: { id: string }, password = RESET_PASSWORD) {
  const hash = await server.app.deps.hasher.hash(password);
  await server.db.query("UPDATE users SET password_hash = $2 WHERE id = $1", [user.id, hash]);
}

describe("private data", () => {
  test("of a user with a second factor asks for a recent proof of it, not for the password alone", async () => {
    const own = await startAppForTest();
    const { access_token, credentials, code } = await registerMfaUser(own);
    const asked = { token: access_token, password: credentials.password };
    expect(await profile(own.url, "UpdatePrivateData", { ...asked, dataPrivate: SECRETS })).toMatchObject({
      status: 200,
    });
    own.clock.advance(601);
    const refused = { reason: "reauthentication_required" };
    expect(await profile(own.url, "UnlockPrivateData", asked)).toMatchObject(refused);
    expect(await profile(own.url, "UpdatePrivateData", { ...asked, dataPrivate: {} })).toMatchObject(refused);
    const body = { password: credentials.password, code: code() };
    const proven = await rpc<{ accessToken: string }>(own.url, "Reauthenticate", { token: access_token, body });
    const again = { ...asked, token: proven.body.accessToken };
    expect(await profile(own.url, "UnlockPrivateData", again)).toMatchObject({ status: 200, dataPrivate: SECRETS });
  });

  test("is empty at first, and opens with the password once it was written", async () => {
    const { access_token: token } = await registerUser(server.url);
    expect(await unlock(token)).toMatchObject({ status: 200, dataPrivate: {} });
    expect((await update(token, { dataPrivate: SECRETS })).recoveryKey).toMatch(RECOVERY_KEY);
    expect(await unlock(token)).toMatchObject({ status: 200, dataPrivate: SECRETS });
  });

  test("shows its recovery key the first time, and never again", async () => {
    const { token, recoveryKey } = await somebody();
    expect(recoveryKey).toMatch(RECOVERY_KEY);
    const again = await update(token, { dataPrivate: { bankAccount: "2" } });
    expect({ status: again.status, recoveryKey: again.recoveryKey }).toStrictEqual({
      status: 200,
      recoveryKey: undefined,
    });
    expect((await unlock(token)).dataPrivate).toStrictEqual({ bankAccount: "2" });
  });

  test("changes by mask, and needs something to change", async () => {
    const { token } = await somebody();
    const body = { dataPrivate: { bankAccount: "2" }, updateMask: "dataPrivate.bankAccount" };
    expect((await update(token, body)).status).toBe(200);
    expect((await unlock(token)).dataPrivate).toStrictEqual({ ...SECRETS, bankAccount: "2" });
    expect((await update(token, {})).reason).toBe("validation_failed");
    const long = { dataPrivate: { bankAccount: "x".repeat(17_000) } };
    expect((await update(token, long)).reason).toBe("validation_failed");
    expect((await unlock(token)).dataPrivate).toStrictEqual({ ...SECRETS, bankAccount: "2" });
  });

  test("opens with the composed and the decomposed form of a password alike", async () => {
    const password = { composed: "caf\u00e9 caf\u00e9 crème", decomposed: "cafe\u0301 cafe\u0301 crème" };
    const { access_token: token } = await registerUser(server.url, {
      email: "cafe@example.com",
      username: "coffee",
      password: password.composed,
    });
    await update(token, { dataPrivate: SECRETS }, password.decomposed);
    expect(await unlock(token, password.composed)).toMatchObject({ dataPrivate: SECRETS });
  });

  test("counts a wrong password like a failed login, reading and writing", async () => {
    const { token, user, credentials } = await somebody();
    for (let i = 0; i < 3; i++) expect((await unlock(token, WRONG)).reason).toBe("invalid_credentials");
    expect((await update(token, { dataPrivate: {} }, WRONG)).reason).toBe("invalid_credentials");
    await loginUser(server.url, credentials.username, WRONG);
    expect((await unlock(token)).reason).toBe("account_locked");
    expect((await update(token, { dataPrivate: {} })).reason).toBe("account_locked");
    expect(await countEvents(server, "private_data.unlock_failed", user.id)).toStrictEqual({ audit: 6, outbox: 0 });
    server.clock.advance(901);
    const { body } = await loginUser(server.url, credentials.email);
    expect(await unlock(body.access_token)).toMatchObject({ dataPrivate: SECRETS });
  });

  test("is not locked by being opened, however often", async () => {
    const { token } = await somebody();
    for (let i = 0; i < 4; i++) await unlock(token, WRONG);
    for (let i = 0; i < 6; i++) expect((await unlock(token)).status).toBe(200);
    expect((await unlock(token, WRONG)).reason).toBe("invalid_credentials");
    expect((await unlock(token)).reason).toBe("account_locked");
  });

  test.each([
    ["an empty password", ""],
    ["a password with NUL", "a\0bcdefghijklm"],
    ["a password that is too long", "x".repeat(129)],
  ])("refuses %s before it counts", async (_name, password) => {
    const { token } = await somebody();
    expect((await unlock(token, password)).reason).toBe("validation_failed");
  });

  test("is in the audit, each time it is opened or changed", async () => {
    const { token, user, recoveryKey } = await somebody();
    await unlock(token);
    await unlock(token, PASSWORD, recoveryKey);
    const types = ["private_data.updated", "private_data.unlocked", "private_data.recovered"];
    const counts = await Promise.all(types.map((type) => countEvents(server, type, user.id)));
    expect(counts.map(({ audit }) => audit)).toStrictEqual([1, 1, 1]);
  });

  test("is put under a dearer derivation at the next unlocking, once the server asks for one", async () => {
    const { token, user } = await somebody();
    const { databaseUrl, keysDir, clock } = server;
    const env = { ARGON2_PASSES: "3", PASSWORD_PEPPER: PEPPER };
    const dearer = await startAppForTest({ databaseUrl, keysDir, env, overrides: { clock } });
    const kdf = async () =>
      (await server.db.query("SELECT kdf FROM user_keys WHERE user_id = $1 AND kdf IS NOT NULL", [user.id])).rows;
    expect(await kdf()).toStrictEqual([{ kdf: "$argon2id$v=19$m=64,t=1,p=1$" }]);
    expect(await unlock(token, PASSWORD, "", dearer.url)).toMatchObject({ dataPrivate: SECRETS });
    expect(await kdf()).toStrictEqual([{ kdf: "hmac-sha256$argon2id$v=19$m=64,t=3,p=1$" }]);
    expect(await unlock(token, PASSWORD, "", dearer.url)).toMatchObject({ dataPrivate: SECRETS });
    expect(await countEvents(server, "private_data.unlocked", user.id)).toStrictEqual({ audit: 2, outbox: 0 });
  });

  test("is not handed out when the audit cannot be written", async () => {
    const own = await startAppForTest();
    const { access_token: token, credentials } = await registerUser(own.url);
    const { password } = credentials;
    await profile(own.url, "UpdatePrivateData", { token, password, dataPrivate: SECRETS });
    await own.db.query("ALTER TABLE audit_events ADD CONSTRAINT full_up CHECK (false) NOT VALID");
    const answer = await unlock(token, password, "", own.url);
    expect(answer).toMatchObject({ status: 500, reason: "internal" });
    expect(answer.dataPrivate).toBeUndefined();
  });
});

describe("a dump of the database without the master key", () => {
  test("does not open, though the password, the recovery key and all parameters are known", async () => {
    const { user, recoveryKey } = await somebody();
    const cipher = createDataCipher();
    const { rows } = await server.db.query("SELECT purpose, wrapped_key, kdf, salt FROM user_keys WHERE user_id = $1", [
      user.id,
    ]);
    expect(rows).toHaveLength(2);
    const { hasher, recoveryKeys } = server.app.deps;
    const password = rows.find(({ kdf }) => kdf !== null);
    const guesses = [
      await hasher.deriveKey(PASSWORD, password),
      recoveryKeys.wrappingKey(recoveryKeys.parse(recoveryKey) ?? expect.unreachable()),
    ];
    const data = await server.db.query("SELECT ciphertext FROM user_data WHERE user_id = $1", [user.id]);
    const sealed = rows.map(({ wrapped_key: text }) => Buffer.from(text.split(".")[2], "base64url"));
    for (const key of guesses) {
      for (const bytes of [...sealed, data.rows[0].ciphertext]) {
        for (const purpose of ["private.password", "private.recovery", "data.private"] as const) {
          expect(cipher.open(key, bytes, { userId: user.id, purpose, version: 1 })).toBeUndefined();
        }
      }
    }
    const whole = await server.app.deps.kms.unwrap(password.wrapped_key, {
      purpose: "user-data:private.password:1",
      subject: user.id,
    });
    const inner = whole?.secret ?? expect.unreachable();
    const place = { userId: user.id, purpose: "private.password", version: 1 } as const;
    expect(cipher.open(guesses[0] ?? expect.unreachable(), inner, place)).toHaveLength(32);
  });
});

describe("after a change of password", () => {
  test("private data opens with the new one, and the recovery key is the same", async () => {
    const { token, recoveryKey } = await somebody();
    const passwords = { currentPassword: PASSWORD, newPassword: NEW_PASSWORD };
    expect((await changePassword(server.url, token, passwords)).status).toBe(200);
    expect((await unlock(token, PASSWORD)).reason).toBe("invalid_credentials");
    expect(await unlock(token, NEW_PASSWORD)).toMatchObject({ dataPrivate: SECRETS });
    expect(await unlock(token, NEW_PASSWORD, recoveryKey)).toMatchObject({ dataPrivate: SECRETS });
  });

  test("each derivation has a salt of its own, which is not that of the login", async () => {
    const { token, user } = await somebody();
    const salts = new Set<string>();
    const read = async () => {
      const keys = "SELECT kdf, salt FROM user_keys WHERE user_id = $1 AND purpose = 'private.password'";
      const [row] = (await server.db.query(keys, [user.id])).rows;
      const users = await server.db.query("SELECT password_hash FROM users WHERE id = $1", [user.id]);
      const hash: string = users.rows[0].password_hash;
      expect(row.salt).toHaveLength(16);
      expect(hash.startsWith(row.kdf)).toBe(true);
      salts.add(row.salt.toString("base64")).add(`${hash.split("$").at(-2)}==`);
    };
    await read();
    await changePassword(server.url, token, { currentPassword: PASSWORD, newPassword: NEW_PASSWORD });
    await read();
    expect(salts.size).toBe(4);
  });
});

describe("after a reset of the password", () => {
  test("private data says that it needs the recovery key, and opens with the password again once it had it", async () => {
    const { token, user, recoveryKey } = await somebody();
    await reset(user);
    for (const answer of [
      await unlock(token, RESET_PASSWORD),
      await update(token, { dataPrivate: {} }, RESET_PASSWORD),
    ]) {
      expect(answer).toMatchObject({ status: 400, reason: "conflict" });
      expect(answer.message).toMatch(/recovery key/);
    }
    const typed = recoveryKey.toLowerCase().replaceAll("-", " ").replaceAll("0", "o").replaceAll("1", "l");
    expect(await unlock(token, RESET_PASSWORD, typed)).toMatchObject({ status: 200, dataPrivate: SECRETS });
    expect(await unlock(token, RESET_PASSWORD)).toMatchObject({ dataPrivate: SECRETS });
    expect((await unlock(token, PASSWORD, recoveryKey)).reason).toBe("invalid_credentials");
  });

  test("a change of the password leaves the data to the recovery key", async () => {
    const { token, user, recoveryKey } = await somebody();
    await reset(user);
    const passwords = { currentPassword: RESET_PASSWORD, newPassword: NEW_PASSWORD };
    expect((await changePassword(server.url, token, passwords)).status).toBe(200);
    expect((await unlock(token, NEW_PASSWORD)).reason).toBe("conflict");
    expect(await unlock(token, NEW_PASSWORD, recoveryKey)).toMatchObject({ dataPrivate: SECRETS });
    expect(await unlock(token, NEW_PASSWORD)).toMatchObject({ dataPrivate: SECRETS });
  });

  test("the recovery key of somebody else opens nothing, and one with a typing error is told so", async () => {
    const [mine, theirs] = [await somebody(), await somebody()];
    await reset(mine.user);
    const wrong = await unlock(mine.token, RESET_PASSWORD, theirs.recoveryKey);
    expect(wrong).toMatchObject({ reason: "invalid_credentials", message: expect.stringMatching(/recovery key/) });
    const first = mine.recoveryKey.startsWith("A") ? "B" : "A";
    const mistyped = await unlock(mine.token, RESET_PASSWORD, first + mine.recoveryKey.slice(1));
    expect(mistyped.reason).toBe("validation_failed");
    expect((await unlock(mine.token, RESET_PASSWORD)).reason).toBe("conflict");
  });

  test("a user without the recovery key can begin anew, and gets another one", async () => {
    const { token, user, recoveryKey } = await somebody();
    await reset(user);
    const data = { dataPrivate: { bankAccount: "2" }, discardStored: true };
    const anew = await update(token, data, RESET_PASSWORD);
    expect(anew.recoveryKey).toMatch(RECOVERY_KEY);
    expect((await unlock(token, RESET_PASSWORD)).dataPrivate).toStrictEqual({ bankAccount: "2" });
    expect((await unlock(token, RESET_PASSWORD, recoveryKey)).reason).toBe("invalid_credentials");
    expect((await unlock(token, RESET_PASSWORD, anew.recoveryKey)).status).toBe(200);
  });
});

describe("a new recovery key", () => {
  test("opens the data, which stays, and the one before opens nothing any more", async () => {
    const { token, user, recoveryKey } = await somebody();
    const renewed = await update(token, { newRecoveryKey: true });
    expect(renewed.recoveryKey).toMatch(RECOVERY_KEY);
    expect(renewed.recoveryKey).not.toBe(recoveryKey);
    await reset(user);
    expect((await unlock(token, RESET_PASSWORD, recoveryKey)).reason).toBe("invalid_credentials");
    expect(await unlock(token, RESET_PASSWORD, renewed.recoveryKey)).toMatchObject({ dataPrivate: SECRETS });
  });
});
