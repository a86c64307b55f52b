import type { AuditSeals, ChainHead } from "../service/audit-chain-ports.ts";
import { formatHead, type SealAuditDeps, sealAudit } from "../service/seal-audit.ts";
import type { Log } from "../telemetry/log.ts";
import type { Job } from "./schedule.ts";

const EVERY_MS = 1_000;
/** How many runs lie between two lines of the log that hold the head: some ten minutes. */
const RUNS_PER_HEAD = 600;

export type AuditSealing = { job: Job; stats(): { oldestUnsealedS: number; failures: number } };

/**
 * Seals the events of the last second. On every replica: the one that gets the lock does it. The head goes into the log once in a
 * while, so that whoever keeps the log can tell whether the newest seals were cut off; what this process knows of the chain it
 * checks itself.
 */
export function auditSealing(deps: Omit<SealAuditDeps, "seals"> & { seals: AuditSeals }, log: Log): AuditSealing {
  let failures = 0;
  let failing = false;
  let oldestUnsealedS = 0;
  let known: ChainHead | undefined;
  let runs = 0;

  async function checkKnown(): Promise<void> {
    if (known === undefined || (await deps.seals.has(known))) return;
    log.error("the audit chain lost a seal that was there: it was cut off, written anew, or restored from a backup", {
      detail: formatHead(known),
    });
    known = undefined;
  }

  async function seal(): Promise<void> {
    const waitS = await deps.seals.oldestWaitS();
    oldestUnsealedS = waitS ?? 0;
    if (waitS !== undefined) {
      await checkKnown();
      known = (await sealAudit(deps)).head ?? known;
      oldestUnsealedS = (await deps.seals.oldestWaitS()) ?? 0;
    }
    if (runs++ % RUNS_PER_HEAD > 0) return;
    await checkKnown();
    known = await deps.seals.head();
    if (known !== undefined) log.info("the head of the audit chain", { detail: formatHead(known) });
  }

  return {
    stats: () => ({ oldestUnsealedS, failures }),
    job: {
      name: "audit sealing",
      everyMs: EVERY_MS,
      async run() {
        try {
          await seal();
          failing = false;
        } catch (error) {
          failures++;
          if (!failing) log.error("the audit trail could not be sealed; it is tried every second", { error });
          failing = true;
        }
      },
    },
  };
}
