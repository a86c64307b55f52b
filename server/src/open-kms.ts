import type { Config } from "./config.ts";
import { withLock } from "./crypto/key-lock.ts";
import { openLocalKms, rotateMasterKey } from "./kms/local.ts";
import type { Clock, Kms } from "./service/ports.ts";
import { naming } from "./start-error.ts";
import type { Log } from "./telemetry/log.ts";

/** The KMS that the configuration names. @throws MissingMasterKeyError in production, where none is generated. */
export function openKms(config: Config, { clock, log }: { clock: Clock; log: Log }): Promise<Kms> {
  return openLocalKms({
    file: config.kmsKeyFile,
    runAlone: withLock,
    clock,
    generate: config.environment === "development",
    onError: (error) => log.error("the file of master keys could not be read; the keys stay as they were", { error }),
  }).catch(naming("KMS_LOCAL_KEY_FILE"));
}

/** Makes a new active master key in a file. */
export function rotateKmsKey(file: string, clock: Clock): Promise<void> {
  return rotateMasterKey({ file, runAlone: withLock, clock });
}
