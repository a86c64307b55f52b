import { systemClock } from "../clock.ts";
import { openKms } from "../open-kms.ts";
import { WRAPPED_KEYS } from "../postgres/wrapped-keys.ts";
import { rewrapAll } from "../service/rewrap.ts";
import { naming } from "../start-error.ts";
import { createLog } from "../telemetry/log.ts";
import { type Command, UsageError, withStores } from "./command.ts";

const SHOWN_FAILURES = 20;

export const rewrap: Command = {
  usage: "rewrap",
  help: [
    "Take everything that the KMS wrapped to its newest master key: after a rotation, or to leave the provider of KMS_MIGRATE_FROM.",
    "Beside running servers; stopped and begun anew, it does the rest. Ends with an error when a row does not open.",
  ].join("\n      "),
  async run(environment) {
    const failures = await withStores(environment, async ({ database }) => {
      using kms = await openKms({ ...environment, clock: systemClock, log: createLog("warn") });
      const failed: string[] = [];
      for (const [table, keysOf] of Object.entries(WRAPPED_KEYS)) {
        const { rewrapped, current, changed, failed: ids } = await rewrapAll(kms, keysOf(database));
        console.log(
          `${table}: ${rewrapped} re-wrapped, ${current} current, ${changed} changed meanwhile, ${ids.length} failed`,
        );
        failed.push(...ids.map((id) => `${table} ${id}`));
      }
      return failed;
    }).catch(naming("rewrap"));
    if (failures.length === 0) return;
    const shown = failures.slice(0, SHOWN_FAILURES).join("\n  ");
    throw new UsageError(`These do not open; they were left as they are (${failures.length} in all):\n  ${shown}`);
  },
};
