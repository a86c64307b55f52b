import { parseArgs } from "node:util";
import { systemClock } from "../clock.ts";
import { auditHashes } from "../crypto/audit-chain.ts";
import { openKms } from "../open-kms.ts";
import { createAuditKeys } from "../postgres/audit-keys.ts";
import { createAuditSeals } from "../postgres/audit-seals.ts";
import { readAuditKey } from "../service/audit-key.ts";
import { formatHead, parseHead } from "../service/seal-audit.ts";
import { type AuditSummary, verifyAudit } from "../service/verify-audit.ts";
import type { Stores } from "../stores.ts";
import { createLog } from "../telemetry/log.ts";
import { type Command, type Environment, UsageError, withStores } from "./command.ts";

export const auditVerify: Command = {
  usage: "audit verify [--expect HEAD]… [--without-key]",
  help: [
    "Hold every audit event against the chain of seals. Finds events that were changed, deleted, or put in later, and seals that were",
    "changed, removed or not made by a server. One line for each finding, and exit code 1 when there is any. Only reads.",
    "The last line is the head of the chain, such as 1024:5f70…; write it down where the database's owner cannot reach it, or take one",
    "from the log (`the head of the audit chain`). With --expect HEAD, which may be repeated, the chain must hold that seal: nothing",
    "else shows that the newest seals and their events were cut off together. The audit key is opened with the KMS of the server's",
    "configuration; --without-key does without, and then finds nothing that the owner of the tables computed anew.",
  ].join("\n      "),
  async run(environment, args) {
    const options = { expect: { type: "string", multiple: true }, "without-key": { type: "boolean" } } as const;
    const { values } = parseArgs({ args, options });
    const expected = (values.expect ?? []).map((text) => {
      const head = parseHead(text);
      if (head === undefined)
        throw new UsageError(`${text} is no head: it is a number, a colon and 64 hexadecimal digits`);
      return head;
    });
    const summary = await withStores(environment, async (stores) => {
      const key = values["without-key"] === true ? undefined : await openAuditKeyForCli(environment, stores);
      return createAuditSeals(stores.database).inspect((reader) =>
        verifyAudit({ reader, hashes: auditHashes, key }, { expected, report: (finding) => console.log(finding) }),
      );
    });
    console.log(describe(summary));
    if (summary.findings > 0) process.exitCode = 1;
  },
};

/** Undefined while nothing was sealed: there is no key yet. */
export async function openAuditKeyForCli(environment: Environment, { database }: Stores): Promise<Buffer | undefined> {
  if ((await createAuditSeals(database).head()) === undefined) return undefined;
  const kms = await openKms({ ...environment, clock: systemClock, log: createLog("warn") });
  try {
    return await readAuditKey({ kms, auditKeys: createAuditKeys(database) });
  } catch (error) {
    throw error instanceof Error && error.constructor === Error ? new UsageError(`${error.message}.`) : error;
  } finally {
    kms[Symbol.dispose]();
  }
}

function describe({ findings, seals, events, waiting, oldestWaitS, head }: AuditSummary): string {
  const verdict = findings === 0 ? "The audit trail is whole" : `The audit trail is NOT whole: findings: ${findings}`;
  const waits =
    waiting === 0 ? "none waits" : `${waiting} wait for a seal, the oldest for ${Math.round(oldestWaitS)} s`;
  return `${verdict}. Seals: ${seals}; sealed events: ${events}; ${waits}.\nHead: ${head === undefined ? "none" : formatHead(head)}`;
}
