import cluster, { type Worker } from "node:cluster";
import { join, resolve } from "node:path";
import type { Config, Secrets } from "./config.ts";
import { randomSecret } from "./crypto/random.ts";
import { startEmbeddedPostgres } from "./postgres/embedded.ts";
import { onStopSignal } from "./stop-signal.ts";
import { createLog } from "./telemetry/log.ts";

const RESTART_MS = 1_000;

/** Runs several servers behind one port. One that ends is replaced; the database they share is this process's. */
export async function runWorkers(config: Config, secrets: Secrets): Promise<void> {
  const log = createLog(config.logLevel);
  const postgres =
    secrets.databaseUrl === undefined
      ? await startEmbeddedPostgres({
          dataDir: join(resolve(config.dataDir), "postgres"),
          randomPassword: randomSecret,
          log: (line) => log.debug("embedded PostgreSQL", { detail: line }),
        })
      : undefined;
  const env = postgres === undefined ? {} : { DATABASE_URL: postgres.url };
  let stopping = false;
  const exits: Promise<void>[] = [];

  const start = () => {
    const worker: Worker = cluster.fork(env);
    exits.push(new Promise((done) => worker.once("exit", () => done())));
    worker.once("exit", (code) => {
      if (stopping) return;
      log.error("a worker ended", { detail: `code ${code}` });
      setTimeout(() => !stopping && start(), RESTART_MS);
    });
  };
  for (let i = 0; i < config.workers; i++) start();

  onStopSignal(async () => {
    stopping = true;
    for (const worker of Object.values(cluster.workers ?? {})) worker?.kill("SIGTERM");
    await Promise.all(exits);
    await postgres?.stop();
  }, log);
}
