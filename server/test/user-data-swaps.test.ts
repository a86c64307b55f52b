import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loginUser, PASSWORD, registerUser } from "./support/client.ts";
import { type ProfileAnswer, profile } from "./support/profile.ts";
import { changePassword } from "./support/rpc.ts";
import { startApp, type TestApp } from "./support/start-app.ts";
import { countEvents } from "./support/stored.ts";

let server: TestApp;
beforeAll(async () => {
  server = await startApp();
});
afterAll(() => server[Symbol.asyncDispose]());

type Somebody = { token: string; id: string; email: string; recoveryKey: string };

/** Two users with the same password and data of both classes, in rows that look alike. */
async function two(): Promise<[Somebody, Somebody]> {
  const make = async () => {
    const { access_token: token, user, credentials } = await registerUser(server.url);
    await profile(server.url, "UpdateProfile", { token, dataProtected: { phone: `phone of ${user.id}` } });
    const dataPrivate = { bankAccount: `account of ${user.id}` };
    const answer = await profile(server.url, "UpdatePrivateData", { token, password: PASSWORD, dataPrivate });
    return { token, id: user.id, email: credentials.email, recoveryKey: answer.recoveryKey ?? "" };
  };
  return [await make(), await make()];
}

const READS: Record<string, (who: Somebody) => Promise<ProfileAnswer>> = {
  protected: ({ token }) => profile(server.url, "GetProfile", { token }),
  "private, by password": ({ token }) => profile(server.url, "UnlockPrivateData", { token, password: PASSWORD }),
  "private, by recovery key": ({ token, recoveryKey }) =>
    profile(server.url, "UnlockPrivateData", { token, password: PASSWORD, recoveryKey }),
};

const copyKey = (purpose: string, from = purpose) =>
  `UPDATE user_keys AS mine SET (wrapped_key, kdf, salt) =
    (SELECT wrapped_key, mine.kdf, mine.salt FROM user_keys WHERE user_id = $2 AND purpose = '${from}')
  WHERE user_id = $1 AND purpose = '${purpose}'`;
const copyWithSalt = copyKey("private.password").replace("mine.kdf, mine.salt", "kdf, salt");
const copyData = (dataClass: string) =>
  `UPDATE user_data SET ciphertext = (SELECT ciphertext FROM user_data WHERE user_id = $2 AND class = '${dataClass}')
  WHERE user_id = $1 AND class = '${dataClass}'`;
/** $2 is not looked at by those that stay within one user. */
const OWN = "AND $2::uuid IS NOT NULL";
const flip = (table: string, column: string, where: string) =>
  `UPDATE ${table} SET ${column} = set_byte(${column}, 20, get_byte(${column}, 20) # 1) WHERE user_id = $1 ${OWN} AND ${where}`;

/** What somebody does who may write to the database, and what no longer opens then. */
const SWAPS: [string, string[], keyof typeof READS & string][] = [
  ["the protected key of another user", [copyKey("protected")], "protected"],
  ["the protected data of another user", [copyData("protected")], "protected"],
  ["both, key and data, of another user", [copyKey("protected"), copyData("protected")], "protected"],
  [
    "protected data of another version",
    [`UPDATE user_data SET key_version = 2 WHERE user_id = $1 ${OWN}`],
    "protected",
  ],
  [
    "protected key and data of another version",
    [
      `UPDATE user_data SET key_version = 2 WHERE user_id = $1 ${OWN}`,
      `UPDATE user_keys SET version = 2 WHERE user_id = $1 ${OWN}`,
    ],
    "protected",
  ],
  ["no protected key", [`DELETE FROM user_keys WHERE user_id = $1 ${OWN} AND purpose = 'protected'`], "protected"],
  ["one changed bit of protected data", [flip("user_data", "ciphertext", "class = 'protected'")], "protected"],
  [
    "the private data in the place of protected data",
    [
      `UPDATE user_data SET ciphertext = (SELECT ciphertext FROM user_data WHERE user_id = $1 AND class = 'private')
      WHERE user_id = $1 ${OWN} AND class = 'protected'`,
    ],
    "protected",
  ],
  ["the private key of another user", [copyKey("private.password")], "private, by password"],
  ["the private key of another user, with its salt", [copyWithSalt], "private, by password"],
  ["the private data of another user", [copyData("private")], "private, by password"],
  ["all that is private of another user", [copyWithSalt, copyData("private")], "private, by password"],
  ["the recovery key's wrap of another user", [copyKey("private.recovery")], "private, by recovery key"],
  [
    "the recovery key's wrap in the place of the password's",
    [
      `UPDATE user_keys SET wrapped_key = (SELECT wrapped_key FROM user_keys WHERE user_id = $1 AND purpose = 'private.recovery')
      WHERE user_id = $1 ${OWN} AND purpose = 'private.password'`,
    ],
    "private, by password",
  ],
  [
    "the protected key in the place of the recovery key's wrap",
    [
      `UPDATE user_keys SET wrapped_key = (SELECT wrapped_key FROM user_keys WHERE user_id = $1 AND purpose = 'protected')
      WHERE user_id = $1 ${OWN} AND purpose = 'private.recovery'`,
    ],
    "private, by recovery key",
  ],
  [
    "private keys and data of another version",
    [
      `UPDATE user_data SET key_version = 7 WHERE user_id = $1 ${OWN}`,
      `UPDATE user_keys SET version = 7 WHERE user_id = $1 ${OWN}`,
    ],
    "private, by password",
  ],
  ["no private key", [`DELETE FROM user_keys WHERE user_id = $1 ${OWN} AND kdf IS NOT NULL`], "private, by password"],
  ["one changed bit of private data", [flip("user_data", "ciphertext", "class = 'private'")], "private, by password"],
];

describe("in a database that somebody else can write to", () => {
  test.each(SWAPS)("%s opens nothing, and that is in the audit and in the log", async (_name, statements, read) => {
    const [mine, theirs] = await two();
    const failed = () => countEvents(server, "user_data.integrity_failed", mine.id);
    expect((await READS[read]?.(mine))?.status).toBe(200);
    for (const statement of statements) await server.db.query(statement, [mine.id, theirs.id]);
    const { status, reason, ...rest } = (await READS[read]?.(mine)) ?? expect.unreachable();
    expect({ status, reason }).toStrictEqual({ status: 500, reason: "internal" });
    expect(JSON.stringify(rest)).not.toMatch(/account of|phone of/);
    expect(await failed()).toStrictEqual({ audit: 1, outbox: 0 });
    expect(JSON.stringify(server.logs)).toContain(`of the user ${mine.id} does not open`);
    expect((await READS[read]?.(theirs))?.status).toBe(200);
  });

  test("an earlier wrap of one's own, put back after a change of password, opens nothing", async () => {
    const [mine] = await two();
    const key = "FROM user_keys WHERE user_id = $1 AND purpose = 'private.password'";
    const [before] = (await server.db.query(`SELECT wrapped_key, kdf, salt ${key}`, [mine.id])).rows;
    const newPassword = "quite another passphrase";
    await changePassword(server.url, mine.token, { currentPassword: PASSWORD, newPassword });
    await server.db.query(
      "UPDATE user_keys SET wrapped_key = $2, kdf = $3, salt = $4 WHERE user_id = $1 AND purpose = 'private.password'",
      [mine.id, before.wrapped_key, before.kdf, before.salt],
    );
    const answer = await profile(server.url, "UnlockPrivateData", { token: mine.token, password: newPassword });
    expect(answer).toMatchObject({ status: 400, reason: "conflict" });
    expect(answer.dataPrivate).toBeUndefined();
  });

  test.each([
    ["of no form", "kdf = 'junk'"],
    ["without end", "kdf = '$argon2id$v=19$m=4000000000,t=9,p=1$'"],
    ["without memory", "kdf = '$argon2id$v=19$m=1,t=1,p=1$'"],
    ["without passes", "kdf = '$argon2id$v=19$m=64,t=0,p=1$'"],
    ["without salt", "salt = ''"],
  ])("a derivation %s, put there, is recorded, and keeps nobody from changing the password", async (_, change) => {
    const [mine] = await two();
    await server.db.query(`UPDATE user_keys SET ${change} WHERE user_id = $1 AND purpose = 'private.password'`, [
      mine.id,
    ]);
    expect(await READS["private, by password"]?.(mine)).toMatchObject({ status: 500, reason: "internal" });
    expect(await countEvents(server, "user_data.integrity_failed", mine.id)).toStrictEqual({ audit: 1, outbox: 0 });
    const newPassword = "quite another passphrase";
    const changed = await changePassword(server.url, mine.token, { currentPassword: PASSWORD, newPassword });
    expect(changed.status).toBe(200);
    const { token, recoveryKey } = mine;
    const recovered = await profile(server.url, "UnlockPrivateData", { token, password: newPassword, recoveryKey });
    expect(recovered).toMatchObject({ dataPrivate: { bankAccount: `account of ${mine.id}` } });
    expect((await profile(server.url, "UnlockPrivateData", { token, password: newPassword })).status).toBe(200);
  });

  test("nobody is kept from changing the password by it", async () => {
    const [mine, theirs] = await two();
    await server.db.query(copyKey("private.password"), [mine.id, theirs.id]);
    const newPassword = "quite another passphrase";
    const changed = await changePassword(server.url, mine.token, { currentPassword: PASSWORD, newPassword });
    expect(changed.status).toBe(200);
    expect((await loginUser(server.url, mine.email, newPassword)).status).toBe(200);
    expect(await countEvents(server, "user_data.integrity_failed", mine.id)).toStrictEqual({ audit: 1, outbox: 0 });
    const { token, recoveryKey } = mine;
    const recovered = await profile(server.url, "UnlockPrivateData", { token, password: newPassword, recoveryKey });
    expect(recovered).toMatchObject({ dataPrivate: { bankAccount: `account of ${mine.id}` } });
  });
});
