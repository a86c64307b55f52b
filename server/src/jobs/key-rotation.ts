import type { Log } from "../telemetry/log.ts";
import type { Job } from "./schedule.ts";

const EVERY_MS = 5 * 60_000;

/** Rotates the keys when they are due, and erases those whose grace is over. */
export function keyRotationJob(rotateWhenDue: () => Promise<boolean>, log: Log): Job {
  return {
    name: "key rotation",
    everyMs: EVERY_MS,
    async run() {
      if (await rotateWhenDue()) log.info("the keys were rotated by schedule");
    },
  };
}
