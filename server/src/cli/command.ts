import { systemClock } from "../clock.ts";
import type { Config, Secrets } from "../config.ts";
import { openStores, type Stores } from "../stores.ts";
import { createLog } from "../telemetry/log.ts";

export type Environment = { config: Config; secrets: Secrets };
export type Command = { usage: string; help: string; run(environment: Environment, args: string[]): Promise<void> };

/** What the person at the keyboard can put right. */
export class UsageError extends Error {}

/** Opens the stores for a task, migrated, and closes them after it. */
export async function withStores<T>(environment: Environment, task: (stores: Stores) => Promise<T>): Promise<T> {
  const log = createLog("warn");
  const stores = await openStores({ ...environment, clock: systemClock, log, redisKeyPrefix: "sello:" });
  try {
    return await task(stores);
  } finally {
    await stores[Symbol.asyncDispose]();
  }
}
