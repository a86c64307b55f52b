import { readFile } from "node:fs/promises";
import type { Config, Secrets } from "./config.ts";
import { withLock } from "./crypto/key-lock.ts";
import { cacheUnwrapped } from "./kms/data-key-cache.ts";
import { openLocalKms, rotateMasterKey } from "./kms/local.ts";
import { combineProviders, type OpenProvider } from "./kms/providers.ts";
import { openVaultKms } from "./kms/vault.ts";
import type { KmsProviderName, VaultConfig } from "./kms-config.ts";
import type { Clock } from "./service/ports.ts";
import type { KmsProvider } from "./service/rewrap-ports.ts";
import { naming } from "./start-error.ts";
import type { Log } from "./telemetry/log.ts";

type Context = { config: Config; secrets: Secrets; clock: Clock; log: Log };
type Provider = {
  /** How its texts begin. */
  prefix: string;
  open(context: Context): Promise<KmsProvider>;
};

/** Another provider is another row: a prefix that no other has, and how it is opened. */
const PROVIDERS: Record<KmsProviderName, Provider> = {
  local: { prefix: "kms1.", open: openLocal },
  vault: { prefix: "vault:", open: openVault },
};

/**
 * The KMS that the configuration names, and beside it the one that is being left.
 * @throws MissingMasterKeyError in production, where none is generated, StartError when a provider cannot be used.
 */
export async function openKms(context: Context): Promise<KmsProvider> {
  const { provider, migrateFrom } = context.config.kms;
  const wrapping = await openProvider(provider, context);
  if (migrateFrom === undefined) return combineProviders(wrapping, []);
  const left = await openProvider(migrateFrom, context).catch((error: unknown) => {
    wrapping.kms[Symbol.dispose]();
    throw error;
  });
  return combineProviders(wrapping, [left]);
}

/** Makes a new active master key in a file. */
export function rotateKmsKey(file: string, clock: Clock): Promise<void> {
  return rotateMasterKey({ file, runAlone: withLock, clock });
}

async function openProvider(name: KmsProviderName, context: Context): Promise<OpenProvider> {
  const { prefix, open } = PROVIDERS[name];
  return { prefix, kms: await open(context) };
}

/** Nothing is remembered: the master keys themselves are in memory. */
function openLocal({ config, clock, log }: Context): Promise<KmsProvider> {
  return openLocalKms({
    file: config.kms.localKeyFile,
    runAlone: withLock,
    clock,
    generate: config.environment === "development",
    onError: (error) => log.error("the file of master keys could not be read; the keys stay as they were", { error }),
  }).catch(naming("KMS_LOCAL_KEY_FILE"));
}

async function openVault({ config, secrets, log }: Context): Promise<KmsProvider> {
  const { address, namespace, caFile, tokenFile, transitMount, transitKey } = config.kms.vault as VaultConfig;
  const kms = await openVaultKms({
    address,
    namespace,
    ca: caFile === undefined ? undefined : await readFile(caFile).catch(naming("VAULT_CACERT")),
    transitMount,
    transitKey,
    readToken: tokenFile === undefined ? async () => secrets.vaultToken ?? "" : () => readTokenFile(tokenFile),
    onError: (error) => log.error("the token or the key of Vault could not be looked after", { error }),
    onWarning: (message) => log.warn(message),
  }).catch(naming("VAULT_ADDR"));
  const { dataKeyCacheS } = config.kms;
  return dataKeyCacheS === 0 ? kms : cacheUnwrapped(kms, { ttlMs: dataKeyCacheS * 1_000 });
}

function readTokenFile(file: string): Promise<string> {
  return readFile(file, "utf8").catch(naming("VAULT_TOKEN_FILE"));
}
