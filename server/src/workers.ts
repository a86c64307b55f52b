import cluster, { type Worker } from "node:cluster";
import { once } from "node:events";
import type { Config, Secrets } from "./config.ts";
import { randomSecret } from "./crypto/random.ts";
import { greeting, type Listening, warnWhenExposed } from "./greeting.ts";
import { startEmbeddedPostgres } from "./postgres/embedded.ts";
import { onStopSignal } from "./stop-signal.ts";
import { embeddedDataDir } from "./stores.ts";
import { createLog } from "./telemetry/log.ts";

const RESTART_MS = 1_000;

/**
 * Runs several servers behind one port. One that ends is replaced in its slot, with the slot's port for metrics; the database
 * they share is this process's.
 */
export async function runWorkers(config: Config, secrets: Secrets): Promise<void> {
  const log = createLog(config.logLevel);
  warnWhenExposed(config, log);
  const dataDir = embeddedDataDir(config.dataDir);
  const postgres =
    secrets.databaseUrl === undefined
      ? await startEmbeddedPostgres({
          dataDir,
          randomPassword: randomSecret,
          log: (line) => log.debug("embedded PostgreSQL", { detail: line }),
          warn: (line) => log.warn("embedded PostgreSQL", { detail: line }),
        })
      : undefined;
  const embedded = postgres === undefined ? [] : [`PostgreSQL 18 in ${dataDir}`];
  const workers = new Map<number, Worker>();
  let stopping = false;
  let greeted = config.environment !== "development";

  const start = (slot: number) => {
    const worker = cluster.fork({
      ...(postgres && { DATABASE_URL: postgres.url }),
      WORKERS: "1",
      METRICS_PORT: String(metricsPortOf(config, slot)),
    });
    workers.set(slot, worker);
    worker.on("message", (listening: Listening) => {
      if (greeted) return;
      greeted = true;
      process.stdout.write(greeting({ ...listening, metricsPorts: metricsPortsOf(config), embedded }, config));
    });
    worker.once("exit", (code, signal) => {
      workers.delete(slot);
      if (stopping) return;
      log.error("a worker ended", { detail: signal ?? `code ${code}` });
      setTimeout(() => !stopping && start(slot), RESTART_MS);
    });
  };
  for (let slot = 0; slot < config.workers; slot++) start(slot);

  onStopSignal(async () => {
    stopping = true;
    await Promise.all([...workers.values()].map(end));
    await postgres?.stop();
  }, log);
}

/** The first port of the range is METRICS_PORT. */
function metricsPortOf({ metricsPort }: Config, slot: number): number {
  return metricsPort === 0 ? 0 : metricsPort + slot;
}

function metricsPortsOf(config: Config): string {
  if (config.metricsPort === 0) return "a port each";
  return `ports ${metricsPortOf(config, 0)} to ${metricsPortOf(config, config.workers - 1)}`;
}

async function end(worker: Worker): Promise<void> {
  const ended = once(worker, "exit");
  worker.kill("SIGTERM");
  await ended;
}
