import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { systemClock } from "../clock.ts";
import type { Config, Secrets } from "../config.ts";
import { findRunningPostgres } from "../postgres/embedded/running.ts";
import { embeddedDataDir, openStores, type Stores } from "../stores.ts";
import { createLog } from "../telemetry/log.ts";

export type Environment = { config: Config; secrets: Secrets };
export type Command = { usage: string; help: string; run(environment: Environment, args: string[]): Promise<void> };

/** What the person at the keyboard can put right. */
export class UsageError extends Error {}

/** Opens the stores for a task, migrated, and closes them after it. A server that runs embedded stores goes on beside it. */
export async function withStores<T>(
  { config, secrets }: Environment,
  task: (stores: Stores) => Promise<T>,
): Promise<T> {
  const log = createLog("warn");
  const databaseUrl = secrets.databaseUrl ?? (await findRunningPostgres(embeddedDataDir(config.dataDir)));
  const dataDir = embeddedDataDir(config.dataDir);
  if (databaseUrl === undefined && !existsSync(join(dataDir, "PG_VERSION"))) {
    console.error(
      `There is no database in ${resolve(dataDir)}: a new one is made there. (DATA_DIR or DATABASE_URL say where.)`,
    );
  }
  const stores = await openStores({
    config,
    secrets: { ...secrets, databaseUrl },
    clock: systemClock,
    log,
    redisKeyPrefix: "sello:",
  });
  try {
    return await task(stores);
  } finally {
    await stores[Symbol.asyncDispose]();
  }
}
