import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { withLock } from "../../src/crypto/key-lock.ts";
import { openLocalKms, rotateMasterKey } from "../../src/kms/local.ts";
import { openVaultKms, type VaultKmsOptions } from "../../src/kms/vault.ts";
import type { KmsProvider } from "../../src/service/rewrap-ports.ts";
import { startVaultStandIn } from "./vault-stand-in.ts";

/** A KMS that a test opened, and how its master key is rotated behind its back. */
export type TestKms = { kms: KmsProvider; rotate(): Promise<unknown>; open(): Promise<KmsProvider> };

export async function openTestLocalKms(): Promise<TestKms> {
  const folder = await mkdtemp(join(tmpdir(), "sello-kms-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const file = { file: join(folder, "kms.key"), runAlone: withLock, clock: systemClock };
  const open = () => openLocalKms({ ...file, generate: true, onError: (error) => Promise.reject(error) });
  return { kms: await open(), rotate: () => rotateMasterKey(file), open };
}

export async function openStandInKms(): Promise<TestKms> {
  const standIn = await startVaultStandIn();
  const open = () => openVault({ address: standIn.address, readToken: async () => standIn.token });
  return { kms: await open(), rotate: async () => standIn.rotate(), open };
}

/** On the Vault of `VAULT_ADDR`, whose token may make keys: one of its own for the test. */
export async function openRealVaultKms(): Promise<TestKms> {
  const { VAULT_ADDR: address = "", VAULT_TOKEN: token = "", VAULT_TRANSIT_MOUNT: mount = "transit" } = process.env;
  const transitKey = `sello-test-${randomBytes(6).toString("hex")}`;
  const call = async (path: string, body: object) => {
    const headers = { "x-vault-token": token, "content-type": "application/json" };
    const response = await fetch(`${address}/v1/${path}`, { method: "POST", headers, body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`Vault answered ${response.status} to ${path}`);
  };
  await call(`${mount}/keys/${transitKey}`, { type: "aes256-gcm96", derived: true });
  const open = () => openVault({ address, transitMount: mount, transitKey, readToken: async () => token });
  return { kms: await open(), rotate: () => call(`${mount}/keys/${transitKey}/rotate`, {}), open };
}

export type OpenVault = Partial<VaultKmsOptions> & Pick<VaultKmsOptions, "address" | "readToken">;

export async function openVault(options: OpenVault): Promise<KmsProvider> {
  const kms = await openVaultKms({
    namespace: undefined,
    ca: undefined,
    transitMount: "transit",
    transitKey: "sello",
    onError: () => {},
    onWarning: () => {},
    ...options,
  });
  onTestFinished(() => kms[Symbol.dispose]());
  return kms;
}
