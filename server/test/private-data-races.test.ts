import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loginUser, PASSWORD, registerUser } from "./support/client.ts";
import { profile } from "./support/profile.ts";
import { changePassword } from "./support/rpc.ts";
import { startApp, type TestApp } from "./support/start-app.ts";

const NEW_PASSWORD = "quite another passphrase";

let server: TestApp;
beforeAll(async () => {
  server = await startApp({ env: { LOCKOUT_THRESHOLD: "1000" } });
});
afterAll(() => server[Symbol.asyncDispose]());

const unlock = (token: string, password: string) => profile(server.url, "UnlockPrivateData", { token, password });
const write = (token: string, bankAccount: string, rest: object = {}) =>
  profile(server.url, "UpdatePrivateData", { token, password: PASSWORD, dataPrivate: { bankAccount }, ...rest });
const change = (token: string, currentPassword: string, newPassword: string) =>
  changePassword(server.url, token, { currentPassword, newPassword });

async function somebody(): Promise<{ token: string; email: string }> {
  const { access_token: token, credentials } = await registerUser(server.url);
  await write(token, "first");
  return { token, email: credentials.email };
}

/** The next to read the private data goes on with what it read once `meanwhile` is done. */
function holdNextRead(meanwhile: () => Promise<unknown>): void {
  const store = server.app.deps.userData.private;
  const { find } = store;
  store.find = async (userId) => {
    store.find = find;
    const found = await find(userId);
    await meanwhile();
    return found;
  };
}

describe("private data", () => {
  test.each([
    ["a change of it", (token: string) => write(token, "second")],
    ["a new key of it", (token: string) => write(token, "second", { newRecoveryKey: true })],
  ])("that was changed meanwhile is not overwritten by %s that has not seen it", async (_name, again) => {
    const { token } = await somebody();
    holdNextRead(() => write(token, "meanwhile"));
    expect(await again(token)).toMatchObject({ status: 400, reason: "conflict" });
    expect((await unlock(token, PASSWORD)).dataPrivate).toStrictEqual({ bankAccount: "meanwhile" });
  });

  test("of a user who has none is written once by two that write it first", async () => {
    const { access_token: token } = await registerUser(server.url);
    const answers = await Promise.all([write(token, "one"), write(token, "one"), write(token, "one")]);
    const keys = answers.map(({ recoveryKey }) => recoveryKey).filter((key) => key !== undefined);
    expect(keys).toHaveLength(1);
    const recovered = await profile(server.url, "UnlockPrivateData", {
      token,
      password: PASSWORD,
      recoveryKey: keys[0],
    });
    expect(recovered).toMatchObject({ status: 200, dataPrivate: { bankAccount: "one" } });
  });

  test("is not written under a password that was changed meanwhile", async () => {
    const { token } = await somebody();
    holdNextRead(() => change(token, PASSWORD, NEW_PASSWORD));
    expect((await write(token, "second", { newRecoveryKey: true })).reason).toBe("conflict");
    expect(await unlock(token, NEW_PASSWORD)).toMatchObject({ dataPrivate: { bankAccount: "first" } });
  });

  test.each([
    ["got a new key", (token: string) => write(token, "second", { newRecoveryKey: true }), "second"],
    ["was discarded", (token: string) => write(token, "second", { discardStored: true }), "second"],
  ])("that %s while the password was being changed leaves both as they were", async (_name, meanwhile, left) => {
    const { token, email } = await somebody();
    holdNextRead(() => meanwhile(token));
    expect((await change(token, PASSWORD, NEW_PASSWORD)).reason).toBe("conflict");
    expect((await loginUser(server.url, email, PASSWORD)).status).toBe(200);
    expect(await unlock(token, PASSWORD)).toMatchObject({ dataPrivate: { bankAccount: left } });
  });

  test("that was first written while the password was being changed leaves the password as it was", async () => {
    const { access_token: token } = await registerUser(server.url);
    holdNextRead(() => write(token, "first"));
    expect((await change(token, PASSWORD, NEW_PASSWORD)).reason).toBe("conflict");
    expect(await unlock(token, PASSWORD)).toMatchObject({ dataPrivate: { bankAccount: "first" } });
  });

  test("that was changed while the password was being changed opens with the new one, as it is by then", async () => {
    const { token } = await somebody();
    holdNextRead(() => write(token, "meanwhile"));
    expect((await change(token, PASSWORD, NEW_PASSWORD)).status).toBe(200);
    expect(await unlock(token, NEW_PASSWORD)).toMatchObject({ dataPrivate: { bankAccount: "meanwhile" } });
  });

  test("survives changes of itself and of the password all at once", async () => {
    const { token } = await somebody();
    const values = Array.from({ length: 12 }, (_, i) => `value ${i}`);
    const [changed, ...written] = await Promise.all([
      change(token, PASSWORD, NEW_PASSWORD),
      ...values.map((value) => write(token, value)),
    ]);
    const present = changed.status === 200 ? NEW_PASSWORD : PASSWORD;
    const kept = values.filter((_, i) => written[i]?.status === 200);
    const opened = await unlock(token, present);
    expect(opened.status).toBe(200);
    expect(["first", ...kept]).toContain(opened.dataPrivate?.["bankAccount"]);
    const reasons = written.map(({ reason }) => reason ?? "done");
    expect(reasons.filter((reason) => !["done", "conflict", "invalid_credentials"].includes(reason))).toStrictEqual([]);
  });
});
