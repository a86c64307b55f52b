import type {
  Anchor,
  AuditArchive,
  AuditHashes,
  AuditReader,
  AuditSeals,
  Seal,
  SealableEvent,
} from "./audit-chain-ports.ts";
import { verifyAudit } from "./verify-audit.ts";

export type ArchiveAuditDeps = {
  seals: Pick<AuditSeals, "inspect">;
  archive: AuditArchive;
  hashes: AuditHashes;
  key: Buffer;
};
export type ArchiveAuditOptions = {
  /** Seals of before this moment go, if they are whole; the newest stays in any case. */
  before: Date;
  now: Date;
  /** Keeps one line of the archive; `done` resolves when all of them are safe. */
  sink: { write(line: string): Promise<void>; done(): Promise<void> };
};
export type Archived = { seals: number; events: number; anchor: Anchor };

const SEALS_AT_ONCE = 10;

/**
 * Moves the oldest seals and their events out of the database. First the whole chain is verified, and all of what goes is written
 * and safe; then an anchor says where the chain begins; only then is anything deleted, seal by seal. Interrupted, it is completed
 * by the next. Undefined when nothing is old enough.
 * @throws Error when the trail is not whole: nothing of it may go then.
 */
export async function archiveAudit(
  deps: ArchiveAuditDeps,
  { before, now, sink }: ArchiveAuditOptions,
): Promise<Archived | undefined> {
  const { archive, hashes, key } = deps;
  const written = await deps.seals.inspect(async (reader) => {
    const { findings } = await verifyAudit({ reader, hashes, key }, { expected: [], report: () => undefined });
    if (findings > 0)
      throw new Error("the audit trail is not whole: run `audit verify`, and archive nothing until it is clear why");
    const begin = (await reader.anchor())?.number ?? 0;
    const last = await findLast(reader, { begin, before });
    return { begin, last, ...(last && (await writeSeals(reader, { begin, through: last.number, sink }))) };
  });
  await removeThrough(archive, written.begin);
  const { last, events = 0, seals = 0 } = written;
  if (last === undefined) return undefined;
  await sink.done();
  const anchor = { number: last.number, hash: last.hash, sealedAt: last.sealedAt, archivedAt: toMicros(now) };
  await archive.anchor({ ...anchor, mac: hashes.anchorMac(key, anchor) }, events);
  await removeThrough(archive, last.number);
  return { seals, events, anchor };
}

/** A seal as a line of the archive: its members and its events' in the text that was hashed; bytes in hexadecimal. */
export function archiveLine(seal: Seal, events: SealableEvent[]): string {
  const { number, sealedAt, complete, previousHash, hash, mac } = seal;
  const hashes = { previous_hash: previousHash.toString("hex"), hash: hash.toString("hex"), mac: mac.toString("hex") };
  return JSON.stringify({ number, sealed_at: sealedAt, complete, ...hashes, events });
}

/** The last complete seal of before that moment that is not the newest of all. */
async function findLast(
  reader: AuditReader,
  { begin, before }: { begin: number; before: Date },
): Promise<Seal | undefined> {
  let last: Seal | undefined;
  let waiting: Seal | undefined;
  let page = await reader.sealsAfter(begin, SEALS_AT_ONCE);
  while (page.length > 0) {
    for (const seal of page) {
      last = waiting ?? last;
      if (Date.parse(seal.sealedAt) >= before.getTime()) return last;
      waiting = seal.complete ? seal : undefined;
    }
    page = await reader.sealsAfter(page.at(-1)?.number ?? begin, SEALS_AT_ONCE);
  }
  return last;
}

type Part = { begin: number; through: number; sink: ArchiveAuditOptions["sink"] };

async function writeSeals(
  reader: AuditReader,
  { begin, through, sink }: Part,
): Promise<{ seals: number; events: number }> {
  let [seals, events] = [0, 0];
  for (let number = begin; number < through; number++) {
    const [seal] = await reader.sealsAfter(number, 1);
    if (seal === undefined) throw new Error(`seal ${number + 1} is gone`);
    const found = new Map((await reader.events(seal.eventIds)).map((event) => [event.id, event]));
    await sink.write(
      archiveLine(
        seal,
        seal.eventIds.flatMap((id) => found.get(id) ?? []),
      ),
    );
    seals++;
    events += seal.eventIds.length;
  }
  return { seals, events };
}

async function removeThrough(archive: AuditArchive, number: number): Promise<void> {
  let removed = true;
  while (removed) removed = await archive.removeOldest(number);
}

function toMicros(time: Date): string {
  return time.toISOString().replace("Z", "000Z");
}
