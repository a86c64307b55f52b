import { open } from "node:fs/promises";
import { parseArgs } from "node:util";
import { systemClock } from "../clock.ts";
import { auditHashes } from "../crypto/audit-chain.ts";
import { createAuditArchive } from "../postgres/audit-archive.ts";
import { createAuditSeals } from "../postgres/audit-seals.ts";
import { archiveAudit } from "../service/archive-audit.ts";
import { formatHead } from "../service/seal-audit.ts";
import { naming } from "../start-error.ts";
import { openAuditKeyForCli } from "./audit.ts";
import { type Command, UsageError, withStores } from "./command.ts";

export const auditArchive: Command = {
  usage: "audit archive --before DATE --to FILE",
  help: [
    "Move the seals of before DATE (such as 2026-01-31) and their events to FILE, which must not exist yet: one line of JSON for each",
    "seal. The whole trail is verified first, and nothing goes unless it is whole. FILE is safe on the disk before the first row is",
    "deleted; interrupted, it is completed by the next archive. Run it with the DATABASE_URL of the tables' owner: servers may not",
    "delete events. Recorded in the trail. Keep FILE: the chain that is left begins with an anchor, and says only that there was one.",
  ].join("\n      "),
  async run(environment, args) {
    const { values } = parseArgs({ args, options: { before: { type: "string" }, to: { type: "string" } } });
    const before = new Date(values.before ?? "");
    const file = values.to;
    if (Number.isNaN(before.getTime())) throw new UsageError("Give --before a date, such as 2026-01-31.");
    if (file === undefined) throw new UsageError("Give --to a file that does not exist yet.");
    const archived = await withStores(environment, async (stores) => {
      const key = await openAuditKeyForCli(environment, stores);
      if (key === undefined) return undefined;
      const { database } = stores;
      const handle = await open(file, "wx", 0o600).catch(naming("--to"));
      try {
        const sink = {
          write: async (line: string) => handle.appendFile(`${line}\n`),
          done: () => handle.sync(),
        };
        const deps = {
          seals: createAuditSeals(database),
          archive: createAuditArchive(database),
          hashes: auditHashes,
          key,
        };
        return await archiveAudit(deps, { before, now: systemClock.now(), sink }).catch(naming("audit archive"));
      } finally {
        await handle.close();
      }
    });
    console.log(
      archived === undefined
        ? "Nothing is old enough: there was nothing to archive."
        : `${archived.events} events in ${archived.seals} seals are in ${file}, up to ${formatHead(archived.anchor)}.`,
    );
  },
};
