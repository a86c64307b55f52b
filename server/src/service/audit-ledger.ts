import type { AuditReader, Seal } from "./audit-chain-ports.ts";

const IDS_AT_ONCE = 10_000;
const START = "-9223372036854775808";

/** Says which events are in no seal. Of all ids it remembers only those that no seal has accounted for so far. */
export function createEventLedger(reader: AuditReader, report: (finding: string) => void) {
  const loose = new Set<string>();
  let readTo = START;

  async function readThrough(through: string | undefined): Promise<void> {
    let full = true;
    while (full) {
      const ids = await reader.idsAfter(readTo, through, IDS_AT_ONCE);
      for (const id of ids) loose.add(id);
      readTo = ids.at(-1) ?? readTo;
      full = ids.length === IDS_AT_ONCE;
    }
  }

  return {
    /** Takes the events of a seal as accounted for. Those that are gone are somebody else's finding. */
    async account({ eventIds }: Seal): Promise<void> {
      const last = eventIds.at(-1);
      if (last === undefined) return;
      if (BigInt(last) > BigInt(readTo)) await readThrough(last);
      for (const id of eventIds) loose.delete(id);
    },

    /** Reads what no seal has reached, and takes what waits for its seal as accounted for. */
    async close(): Promise<{ waiting: number; oldestWaitS: number }> {
      await readThrough(undefined);
      let [waiting, oldestWaitS] = [0, 0];
      let after = START;
      let full = true;
      while (full) {
        const rows = await reader.waitingAfter(after, IDS_AT_ONCE);
        for (const { id, exists, waitS } of rows) {
          if (!exists) report(`event ${id} is gone, before it was sealed`);
          else if (!loose.delete(id)) report(`event ${id} waits for a seal, and has one`);
          waiting++;
          oldestWaitS = Math.max(oldestWaitS, waitS);
        }
        after = rows.at(-1)?.id ?? after;
        full = rows.length === IDS_AT_ONCE;
      }
      for (const id of loose) report(`event ${id} is in no seal and waits for none`);
      return { waiting, oldestWaitS };
    },
  };
}
