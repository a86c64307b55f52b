import { expect, test } from "vitest";
import { backend, newServiceAccount, reasonOf } from "./support/backend.ts";
import { PASSWORD, registerUser } from "./support/client.ts";
import { profile } from "./support/profile.ts";
import { changePassword } from "./support/rpc.ts";
import { startApp, startAppForTest } from "./support/start-app.ts";
import { startVaultStandIn, type VaultStandIn } from "./support/vault-stand-in.ts";

const FOR = { userId: "018f0000-0000-7000-8000-00000000000a", purpose: "notes" };

function onVault(vault: VaultStandIn, more: Record<string, string> = {}) {
  return {
    KMS_PROVIDER: "vault",
    VAULT_ADDR: vault.address,
    VAULT_TOKEN: vault.token,
    VAULT_TRANSIT_KEY: vault.transitKey,
    ...more,
  };
}

test("with Vault down, keys that were read are read on, writes are unavailable, and the log says why without the token", async () => {
  const vault = await startVaultStandIn();
  const server = await startAppForTest({ env: onVault(vault) });
  const { kms } = backend(server.url, await newServiceAccount(server));
  const { key, wrappedKey } = await kms.createUserKey(FOR);
  expect(wrappedKey).toMatch(/^vault:v1:/);
  await vault.stop();
  expect((await kms.decryptKey({ ...FOR, wrappedKey })).key).toStrictEqual(key);
  expect(await reasonOf(kms.createUserKey(FOR))).toBe("unavailable");
  const logs = JSON.stringify(server.logs);
  expect(logs).toMatch(/Vault could not be asked/);
  expect(logs).not.toContain(vault.token);
  await vault.start();
  await expect.poll(() => reasonOf(kms.createUserKey(FOR)), { timeout: 5_000 }).toBeUndefined();
});

test("with Vault down, data of users whose keys are remembered is read on, and is not changed", async () => {
  const vault = await startVaultStandIn();
  const server = await startAppForTest({ env: onVault(vault) });
  const { access_token: token } = await registerUser(server.url);
  const [password, phone, bankAccount] = [PASSWORD, "1", "1"];
  const call = (method: string, body: object) => profile(server.url, method, { token, ...body });
  await call("UpdateProfile", { dataProtected: { phone } });
  await call("UpdatePrivateData", { password, dataPrivate: { bankAccount } });
  await vault.stop();
  const writes = [
    await call("UpdateProfile", { dataProtected: { phone: "2" } }),
    await call("UpdatePrivateData", { password, dataPrivate: { bankAccount: "2" } }),
    await changePassword(server.url, token, { currentPassword: PASSWORD, newPassword: "quite another passphrase" }),
  ];
  expect(writes.map(({ reason }) => reason)).toStrictEqual(["unavailable", "unavailable", "unavailable"]);
  expect((await call("GetProfile", {})).dataProtected).toStrictEqual({ phone });
  expect((await call("UnlockPrivateData", { password })).dataPrivate).toStrictEqual({ bankAccount });
  await vault.start();
  await expect
    .poll(async () => (await call("UpdateProfile", { dataProtected: { phone: "3" } })).status, { timeout: 5_000 })
    .toBe(200);
});

test("with nothing remembered, reading ends with Vault", async () => {
  const vault = await startVaultStandIn();
  const server = await startAppForTest({ env: onVault(vault, { DATA_KEY_CACHE_S: "0" }) });
  const { kms } = backend(server.url, await newServiceAccount(server));
  const { wrappedKey } = await kms.createUserKey(FOR);
  await vault.stop();
  expect(await reasonOf(kms.decryptKey({ ...FOR, wrappedKey }))).toBe("unavailable");
});

test("a remembered key of an older version is read while Vault is down, without its newer wrap", async () => {
  const vault = await startVaultStandIn();
  const server = await startAppForTest({ env: onVault(vault) });
  const { kms } = backend(server.url, await newServiceAccount(server));
  const replica = await startAppForTest({
    env: onVault(vault),
    databaseUrl: server.databaseUrl,
    keysDir: server.keysDir,
  });
  const { key, wrappedKey } = await kms.createUserKey(FOR);
  vault.rotate();
  const there = backend(replica.url, await newServiceAccount(server)).kms;
  await there.createUserKey(FOR);
  expect((await there.decryptKey({ ...FOR, wrappedKey })).rewrappedKey).toMatch(/^vault:v2:/);
  await vault.stop();
  expect(await there.decryptKey({ ...FOR, wrappedKey })).toMatchObject({ key });
});

test("keys of the provider that is being left open, and come wrapped by the new one", async () => {
  const before = await startAppForTest();
  const secret = await newServiceAccount(before);
  const { key, wrappedKey } = await backend(before.url, secret).kms.createUserKey(FOR);
  const vault = await startVaultStandIn();
  const replica = { databaseUrl: before.databaseUrl, keysDir: before.keysDir };
  const after = await startAppForTest({ ...replica, env: onVault(vault, { KMS_MIGRATE_FROM: "local" }) });
  const opened = await backend(after.url, secret).kms.decryptKey({ ...FOR, wrappedKey });
  expect(opened.key).toStrictEqual(key);
  expect(opened.rewrappedKey).toMatch(/^vault:v1:/);
});

test("a start without Vault fails in a sentence that names the variable", async () => {
  const vault = await startVaultStandIn();
  await vault.stop();
  await expect(startApp({ env: onVault(vault) })).rejects.toMatchObject({
    name: "StartError",
    message: "VAULT_ADDR: nothing answers there (connection refused)",
  });
  await vault.start();
  vault.answerAll({ status: 503 });
  await expect(startApp({ env: onVault(vault) })).rejects.toThrow("VAULT_ADDR: Vault is sealed");
  vault.answerAll(undefined);
  const gone = onVault(vault, { VAULT_TOKEN: "", VAULT_TOKEN_FILE: "/nope" });
  await expect(startApp({ env: gone })).rejects.toThrow("VAULT_TOKEN_FILE: there is no /nope");
});
