import cluster from "node:cluster";
import { buildApp } from "./app.ts";
import type { Config, Secrets } from "./config.ts";
import { greeting, seedDemoUser } from "./demo.ts";
import { onStopSignal } from "./stop-signal.ts";
import { createLog } from "./telemetry/log.ts";

/** Runs one server until it is told to stop. */
export async function runServer(config: Config, secrets: Secrets): Promise<void> {
  const log = createLog(config.logLevel);
  // Workers of one machine each serve their own metrics, on the ports that follow.
  const metricsPort = config.metricsPort === 0 ? 0 : config.metricsPort + Math.max(0, (cluster.worker?.id ?? 1) - 1);
  const app = await buildApp({ ...config, metricsPort }, secrets, { log });
  let stopping = false;
  onStopSignal(async () => {
    stopping = true;
    log.info("stopping");
    await app[Symbol.asyncDispose]();
  }, log);
  const seeded = await seedDemoUser(app, config).catch((error: unknown) => {
    if (!stopping) throw error;
    return false;
  });
  if (stopping) return;
  log.info("listening", { url: app.url });
  if (seeded && (cluster.worker?.id ?? 1) === 1) process.stdout.write(greeting(app, config));
}
