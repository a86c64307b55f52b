import type { Config } from "./config.ts";
import type { KeyRing } from "./crypto/key-ring.ts";
import { type KeyStore, openKeys } from "./crypto/key-store.ts";
import type { Clock } from "./service/ports.ts";
import { naming } from "./start-error.ts";
import type { Log } from "./telemetry/log.ts";

/** The keys that the configuration names. @throws MissingKeysError in production, where none are generated. */
export async function openServerKeys(config: Config, { clock, log }: { clock: Clock; log: Log }): Promise<KeyStore> {
  const keys = await openKeys({
    settings: keySettings(config),
    clock,
    generate: config.environment === "development",
    onError: (error) => log.error("the key folder could not be read; the keys stay as they were", { error }),
  }).catch(naming("KEYS_DIR"));
  keys.ring.onChange(() => log.info("the keys changed", { detail: describe(keys.ring) }));
  return keys;
}

/** Which key is where in its rotation. */
function describe(ring: KeyRing): string {
  const places = ring.all().map(({ use, alg, state, kid }) => `${use} ${alg} ${state} ${kid}`);
  return places.join(", ");
}

/** The part of the configuration that is about keys. */
export function keySettings(config: Config) {
  const { keysDir: dir, signingAlg, encryptionAlg, encryptionCrv, frontCrv, rsaBits, keyGraceS: graceS } = config;
  return { dir, signingAlg, encryptionAlg, encryptionCrv, frontCrv, rsaBits, graceS };
}
