import type { Log } from "../telemetry/log.ts";
import type { Job } from "./schedule.ts";

const EVERY_MS = 10 * 60_000;

/** Deletes what is over. On every replica: the batches of one pass by those of another. */
export function cleanUpJob(cleanUp: () => Promise<number>, log: Log): Job {
  return {
    name: "clean-up",
    everyMs: EVERY_MS,
    async run() {
      const count = await cleanUp();
      if (count > 0) log.info("rows that were over are gone", { count });
    },
  };
}
