import cluster from "node:cluster";
import { ConfigError, readEnvironment } from "./config.ts";
import { MissingKeysError } from "./crypto/key-store.ts";
import { MissingMasterKeyError } from "./kms/local.ts";
import { runServer } from "./run-server.ts";
import { StartError } from "./start-error.ts";
import { runWorkers } from "./workers.ts";

try {
  const { config, secrets } = readEnvironment();
  if (config.workers > 1 && cluster.isPrimary) await runWorkers(config, secrets);
  else await runServer(config, secrets);
} catch (error) {
  const isPlain = [ConfigError, StartError, MissingKeysError, MissingMasterKeyError].some(
    (kind) => error instanceof kind,
  );
  process.stderr.write(`${error instanceof Error ? (isPlain ? error.message : error.stack) : error}\n`);
  process.exitCode = 1;
}
