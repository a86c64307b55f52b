import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AuthError } from "../src/domain/errors.ts";
import { me, registerUser } from "./support/client.ts";
import { profile } from "./support/profile.ts";
import { startApp, startAppForTest, type TestApp } from "./support/start-app.ts";
import { countEvents } from "./support/stored.ts";

const ADA = { displayName: "Ada", avatarUrl: "https://example.com/ada.png" };
const CONTACT = {
  phone: "+44 20 7946 0958",
  address: { lines: ["12 St James's Square"], postalCode: "SW1Y 4JH", town: "London", country: "GB" },
};

let server: TestApp;
beforeAll(async () => {
  server = await startApp();
});
afterAll(() => server[Symbol.asyncDispose]());

const get = (token: string) => profile(server.url, "GetProfile", { token });
const update = (token: string, body: object) => profile(server.url, "UpdateProfile", { token, ...body });

describe("a profile", () => {
  test("is empty at first, and returns what was written in each class", async () => {
    const { access_token: token, user } = await registerUser(server.url);
    expect(await get(token)).toMatchObject({ status: 200, dataPublic: {}, dataProtected: {} });
    const written = { dataPublic: ADA, dataProtected: CONTACT };
    expect(await update(token, written)).toMatchObject({ status: 200, ...written });
    expect(await get(token)).toMatchObject({ status: 200, ...written });
    expect((await me(server.url, token)).body.user["data_public"]).toStrictEqual({
      display_name: ADA.displayName,
      avatar_url: ADA.avatarUrl,
    });
    expect(await countEvents(server, "profile.updated", user.id)).toStrictEqual({ audit: 1, outbox: 1 });
  });

  test("keeps a class that is not sent, and replaces one that is as a whole", async () => {
    const { access_token: token } = await registerUser(server.url);
    await update(token, { dataPublic: ADA, dataProtected: CONTACT });
    await update(token, { dataProtected: { phone: "1" } });
    const { dataPublic, dataProtected } = await get(token);
    expect({ dataPublic, dataProtected }).toStrictEqual({ dataPublic: ADA, dataProtected: { phone: "1" } });
  });

  test("changes the fields that a mask names, and clears those of them that are not sent", async () => {
    const { access_token: token } = await registerUser(server.url);
    await update(token, { dataPublic: ADA, dataProtected: CONTACT });
    const body = { dataProtected: { phone: "2" }, updateMask: "dataPublic.avatarUrl,dataProtected.phone" };
    expect((await update(token, body)).status).toBe(200);
    const { dataPublic, dataProtected } = await get(token);
    expect(dataPublic).toStrictEqual({ displayName: "Ada" });
    expect(dataProtected).toStrictEqual({ phone: "2", address: CONTACT.address });
  });

  test("changes messages and lists within a class by mask too", async () => {
    const { access_token: token } = await registerUser(server.url);
    await update(token, { dataProtected: CONTACT });
    const address = { ...CONTACT.address, lines: ["one", "two"] };
    await update(token, { dataProtected: { address }, updateMask: "dataProtected.address" });
    expect((await get(token)).dataProtected).toStrictEqual({ ...CONTACT, address });
  });

  test.each([
    ["nothing", {}],
    ["a class that is not in it", { updateMask: "dataPrivate.bankAccount" }],
    ["a field that is not in its class", { updateMask: "dataPublic.phone" }],
    ["a name of every object", { updateMask: "constructor" }],
    ["what is inside a field", { updateMask: "dataProtected.address.town" }],
    ["too much public data", { dataPublic: { displayName: "x".repeat(17_000) } }],
    ["too much protected data", { dataProtected: { phone: "x".repeat(17_000) } }],
    ["public data with NUL", { dataPublic: { displayName: "a\0b" } }],
  ])("does not change for %s", async (_name, body) => {
    const { access_token: token } = await registerUser(server.url);
    await update(token, { dataPublic: ADA, dataProtected: CONTACT });
    expect(await update(token, body)).toMatchObject({ status: 400, reason: "validation_failed" });
    expect(await get(token)).toMatchObject({ dataPublic: ADA, dataProtected: CONTACT });
  });

  test("loses nothing of changes to different fields at once", async () => {
    const { access_token: token } = await registerUser(server.url);
    const answers = await Promise.all([
      update(token, { dataPublic: { displayName: "Ada" }, updateMask: "dataPublic.displayName" }),
      update(token, { dataPublic: { avatarUrl: "https://a.example" }, updateMask: "dataPublic.avatarUrl" }),
      update(token, { dataProtected: { phone: "1" }, updateMask: "dataProtected.phone" }),
      update(token, { dataProtected: { address: { town: "London" } }, updateMask: "dataProtected.address" }),
    ]);
    expect(answers.map(({ status }) => status)).toStrictEqual([200, 200, 200, 200]);
    expect(await get(token)).toMatchObject({
      dataPublic: { displayName: "Ada", avatarUrl: "https://a.example" },
      dataProtected: { phone: "1", address: { town: "London" } },
    });
  });

  test("takes no more than one connection to the database from others, however often it is changed at once", async () => {
    const own = await startAppForTest({ env: { DATABASE_POOL: "2" } });
    const { access_token: token, user } = await registerUser(own.url);
    const other = await registerUser(own.url);
    const holder = await own.db.connect();
    await holder.query("BEGIN");
    await holder.query("SELECT FROM users WHERE id = $1 FOR UPDATE", [user.id]);
    const changing = Array.from({ length: 8 }, (_, i) =>
      profile(own.url, i % 2 === 0 ? "UpdateProfile" : "PutVault", { token, dataProtected: CONTACT }),
    );
    const waiting = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    await expect.poll(async () => (await own.db.query(waiting)).rowCount, { interval: 10 }).toBe(1);
    expect((await me(own.url, other.access_token)).status).toBe(200);
    expect((await own.db.query(waiting)).rowCount).toBe(1);
    await holder.query("ROLLBACK");
    holder.release();
    expect((await Promise.all(changing)).filter(({ status }) => status === 200).length).toBeGreaterThan(0);
  });

  test("is not changed by a session that was logged out while the change was on its way", async () => {
    const { access_token: token, user } = await registerUser(server.url);
    const holder = await server.db.connect();
    await holder.query("BEGIN");
    await holder.query("UPDATE sessions SET revoked_at = now() WHERE user_id = $1", [user.id]);
    const changing = update(token, { dataProtected: CONTACT });
    const waiting = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    await expect.poll(async () => (await server.db.query(waiting)).rowCount, { interval: 10 }).toBe(1);
    await holder.query("COMMIT");
    holder.release();
    expect(await changing).toMatchObject({ status: 401, reason: "token_revoked" });
    expect((await server.db.query("SELECT FROM user_data WHERE user_id = $1", [user.id])).rowCount).toBe(0);
  });

  test("is gone with its user, keys and vault included", async () => {
    const { access_token: token, user, credentials } = await registerUser(server.url);
    await update(token, { dataProtected: CONTACT });
    const { password } = credentials;
    await profile(server.url, "UpdatePrivateData", { token, password, dataPrivate: { bankAccount: "1" } });
    await profile(server.url, "PutVault", { token, content: "AAAA" });
    const count = async () => {
      const tables = ["user_keys", "user_data", "user_vaults"];
      const rows = tables.map((name) => server.db.query(`SELECT FROM ${name} WHERE user_id = $1`, [user.id]));
      return (await Promise.all(rows)).map(({ rowCount }) => rowCount);
    };
    expect(await count()).toStrictEqual([3, 2, 1]);
    await server.db.query("DELETE FROM users WHERE id = $1", [user.id]);
    expect(await count()).toStrictEqual([0, 0, 0]);
  });
});

describe("without its master key", () => {
  test("the server neither reads nor writes protected and private data, and writes nothing in clear", async () => {
    const own = await startAppForTest();
    const { access_token: token, credentials } = await registerUser(own.url);
    const { password } = credentials;
    const kms = own.app.deps.kms as { wrap: unknown; unwrap: unknown };
    const down = () => Promise.reject(new AuthError("unavailable"));
    const call = (method: string, body: object) => profile(own.url, method, { token, ...body });
    await call("UpdateProfile", { dataProtected: CONTACT });
    await call("UpdatePrivateData", { password, dataPrivate: { bankAccount: "1" } });
    const rows = async () =>
      (await own.db.query("SELECT ciphertext, wrapped_key FROM user_data, user_keys ORDER BY class, purpose")).rows;
    const before = await rows();
    expect(before).toHaveLength(6);
    Object.assign(kms, { wrap: down, unwrap: down });

    const answers = [
      await call("GetProfile", {}),
      await call("UpdateProfile", { dataProtected: { phone: "2" } }),
      await call("UpdateProfile", { dataPublic: ADA, dataProtected: { phone: "2" } }),
      await call("UnlockPrivateData", { password }),
      await call("UpdatePrivateData", { password, dataPrivate: { bankAccount: "2" } }),
      await call("UpdatePrivateData", { password, dataPrivate: { bankAccount: "2" }, discardStored: true }),
    ];
    expect(answers.map(({ reason }) => reason)).toStrictEqual(answers.map(() => "unavailable"));
    expect(await rows()).toStrictEqual(before);
    expect((await me(own.url, token)).body.user["data_public"]).toStrictEqual({ display_name: "", avatar_url: "" });
  });
});
