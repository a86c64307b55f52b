import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openVault } from "./support/kms-providers.ts";
import { startVaultStandIn, type VaultStandIn } from "./support/vault-stand-in.ts";

const CONTEXT = { purpose: "user-key:notes", subject: "018f0000-0000-7000-8000-000000000001" };
const SECRET = Buffer.alloc(32, 7);

const renewals = (vault: VaultStandIn) => vault.seen.filter(({ path }) => path === "auth/token/renew-self").length;

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "sello-vault-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

test("a token is renewed before its end, again and again, and outlives its first life", async () => {
  const vault = await startVaultStandIn();
  const token = vault.addToken({ ttlS: 2, renewable: true });
  const kms = await openVault({ address: vault.address, readToken: async () => token });
  await expect.poll(() => renewals(vault), { timeout: 10_000 }).toBeGreaterThanOrEqual(4);
  expect(await kms.unwrap(await kms.wrap(SECRET, CONTEXT), CONTEXT)).toMatchObject({ secret: SECRET });
});

test("a renewal that fails is told, and tried again", async () => {
  const vault = await startVaultStandIn();
  const token = vault.addToken({ ttlS: 4, renewable: true });
  const errors: unknown[] = [];
  await openVault({ address: vault.address, readToken: async () => token, onError: (error) => errors.push(error) });
  vault.answerAll({ status: 503 });
  await expect.poll(() => errors.length, { timeout: 10_000 }).toBeGreaterThanOrEqual(2);
  expect(errors.map(String).join()).not.toContain(token);
  vault.answerAll(undefined);
  await expect.poll(() => renewals(vault), { timeout: 20_000 }).toBeGreaterThanOrEqual(3);
}, 40_000);

test("a token that cannot be renewed is told of at the start, with the time it has left and without itself", async () => {
  const vault = await startVaultStandIn();
  const token = vault.addToken({ ttlS: 3600 });
  const warnings: string[] = [];
  await openVault({ address: vault.address, readToken: async () => token, onWarning: (text) => warnings.push(text) });
  expect(warnings).toStrictEqual([expect.stringMatching(/cannot be renewed and ends in 3(600|599) s/)]);
  expect(warnings.join()).not.toContain(token);
});

test("a token that ended is unavailable", async () => {
  const vault = await startVaultStandIn();
  const kms = await openVault({ address: vault.address, readToken: async () => vault.token });
  vault.tokens.clear();
  await expect(kms.wrap(SECRET, CONTEXT)).rejects.toMatchObject({ reason: "unavailable" });
});

test("a token that an agent replaced in its file is taken up by the call that meets the old one's end", async () => {
  const vault = await startVaultStandIn();
  const file = join(await newFolder(), "token");
  await writeFile(file, `${vault.token}\n`);
  const kms = await openVault({ address: vault.address, readToken: () => readFile(file, "utf8") });
  const wrapped = await kms.wrap(SECRET, CONTEXT);
  vault.tokens.clear();
  await writeFile(file, vault.addToken());
  expect(await kms.unwrap(wrapped, CONTEXT)).toMatchObject({ secret: SECRET });
});

test("a token that was taken up from a file is looked after, too", async () => {
  const vault = await startVaultStandIn();
  const first = vault.addToken({ ttlS: 2, renewable: true });
  let current = first;
  await openVault({ address: vault.address, readToken: async () => current });
  current = vault.addToken({ ttlS: 2, renewable: true });
  const renewed = () => vault.seen.filter(({ path, token }) => path.endsWith("renew-self") && token === current).length;
  await expect.poll(renewed, { timeout: 10_000 }).toBeGreaterThanOrEqual(2);
});

test("a file that is gone is unavailable once its token ended, and not before", async () => {
  const vault = await startVaultStandIn();
  const file = join(await newFolder(), "token");
  await writeFile(file, vault.token);
  const kms = await openVault({ address: vault.address, readToken: () => readFile(file, "utf8") });
  await rm(file);
  const wrapped = await kms.wrap(SECRET, CONTEXT);
  vault.tokens.clear();
  await expect(kms.unwrap(wrapped, CONTEXT)).rejects.toMatchObject({ reason: "unavailable" });
});

test("a rotation is learnt of when the token is looked after", async () => {
  const vault = await startVaultStandIn();
  const token = vault.addToken({ ttlS: 1, renewable: true });
  const kms = await openVault({ address: vault.address, readToken: async () => token });
  const wrapped = await kms.wrap(SECRET, CONTEXT);
  vault.rotate();
  await expect.poll(async () => (await kms.unwrap(wrapped, CONTEXT))?.isCurrent, { timeout: 10_000 }).toBe(false);
});

test("each request names the namespace and carries the token", async () => {
  const vault = await startVaultStandIn();
  const kms = await openVault({ address: vault.address, readToken: async () => vault.token, namespace: "team/sello" });
  await kms.wrap(SECRET, CONTEXT);
  expect(new Set(vault.seen.map(({ namespace, token }) => `${namespace} ${token}`))).toStrictEqual(
    new Set([`team/sello ${vault.token}`]),
  );
});

test("over TLS it is Vault's own certificate or none", async () => {
  const folder = await newFolder();
  const [certFile, keyFile] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
  const subject = ["-subj", "/CN=vault", "-addext", "subjectAltName=IP:127.0.0.1"];
  execFileSync("openssl", ["req", ...kind, ...subject, "-keyout", keyFile, "-out", certFile], { stdio: "ignore" });
  const ca = await readFile(certFile);
  const vault = await startVaultStandIn({ tls: { cert: ca, key: await readFile(keyFile) } });
  const options = { address: vault.address, readToken: async () => vault.token };
  await expect(openVault(options)).rejects.toThrow("self-signed certificate");
  expect(vault.seen).toHaveLength(0);
  const kms = await openVault({ ...options, ca });
  expect(await kms.unwrap(await kms.wrap(SECRET, CONTEXT), CONTEXT)).toMatchObject({ secret: SECRET });
});
