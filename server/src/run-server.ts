import cluster from "node:cluster";
import { buildApp } from "./app.ts";
import type { Config, Secrets } from "./config.ts";
import { seedDemoUser } from "./demo.ts";
import { greeting, type Listening, warnWhenExposed } from "./greeting.ts";
import { onStopSignal } from "./stop-signal.ts";
import { createLog } from "./telemetry/log.ts";

/** Runs one server until it is told to stop. As a worker it tells its primary when it listens, which greets for all. */
export async function runServer(config: Config, secrets: Secrets): Promise<void> {
  const log = createLog(config.logLevel);
  if (!cluster.isWorker) warnWhenExposed(config, log);
  const app = await buildApp(config, secrets, { log });
  let stopping = false;
  onStopSignal(async () => {
    stopping = true;
    log.info("stopping");
    await app[Symbol.asyncDispose]();
  }, log);
  const demo = await seedDemoUser(app, { config, log }).catch((error: unknown) => {
    if (!stopping) throw error;
    return false;
  });
  if (stopping) return;
  log.info("listening", { url: app.url });
  const listening: Listening = { url: app.url, metricsPorts: `port ${app.metricsPort}`, embedded: app.embedded, demo };
  if (cluster.isWorker) process.send?.(listening);
  else if (config.environment === "development") process.stdout.write(greeting(listening, config));
}
