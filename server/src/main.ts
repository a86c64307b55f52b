import cluster from "node:cluster";
import { ConfigError, readEnvironment } from "./config.ts";
import { MissingKeysError } from "./crypto/key-store.ts";
import { runServer } from "./run-server.ts";
import { runWorkers } from "./workers.ts";

try {
  const { config, secrets } = readEnvironment();
  if (config.workers > 1 && cluster.isPrimary) await runWorkers(config, secrets);
  else await runServer(config, secrets);
} catch (error) {
  const isPlain = error instanceof ConfigError || error instanceof MissingKeysError;
  process.stderr.write(`${isPlain ? error.message : error instanceof Error ? error.stack : error}\n`);
  process.exitCode = 1;
}
