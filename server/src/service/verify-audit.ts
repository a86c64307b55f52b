import type { AuditHashes, AuditReader, ChainHead, Seal, SealableEvent } from "./audit-chain-ports.ts";
import { createEventLedger } from "./audit-ledger.ts";

export type VerifyAuditDeps = {
  reader: AuditReader;
  hashes: AuditHashes;
  /** Undefined: the chain is followed by its hashes alone, which the owner of the tables could compute anew. */
  key: Buffer | undefined;
};
export type VerifyAuditOptions = {
  /** Heads that were written down elsewhere: each must be in the chain. */
  expected: ChainHead[];
  /** Takes each finding as it is met, in a sentence. */
  report(finding: string): void;
};
export type AuditSummary = {
  findings: number;
  seals: number;
  events: number;
  waiting: number;
  oldestWaitS: number;
  head: ChainHead | undefined;
};

const SEALS_AT_ONCE = 10;
const DIGEST_BYTES = 32;
/** How far apart the clocks of servers and database, and the ends of a transaction, may lie. */
const TOLERANCE_MS = 300_000;

/**
 * Follows the chain from its first seal, or from where it was archived, to its last, and holds every event against it. Memory stays
 * bounded, however long the trail is.
 */
export async function verifyAudit(deps: VerifyAuditDeps, options: VerifyAuditOptions): Promise<AuditSummary> {
  let findings = 0;
  const report = (finding: string) => {
    findings++;
    options.report(finding);
  };
  const { reader } = deps;
  const anchor = await verifiedAnchor(deps, report);
  const awaited = new Map(options.expected.map((head) => [head.number, head]));
  if (anchor !== undefined) meetExpected(awaited, anchor, report);
  const ledger = createEventLedger(reader, report);
  let previous: Link = {
    number: anchor?.number ?? 0,
    hash: anchor?.hash ?? deps.hashes.genesis,
    floor: anchor?.sealedAt,
  };
  let [seals, events] = [0, 0];

  const leftovers = anchor === undefined ? 0 : await passLeftovers(reader, ledger, anchor.number);
  let page = await reader.sealsAfter(previous.number, SEALS_AT_ONCE);
  while (page.length > 0) {
    for (const seal of page) {
      verifyLink(deps, { seal, previous }, report);
      await verifyEvents(deps, { seal, floor: previous.floor }, report);
      await ledger.account(seal);
      meetExpected(awaited, seal, report);
      previous = { number: seal.number, hash: seal.hash, floor: seal.complete ? seal.sealedAt : previous.floor };
      seals++;
      events += seal.eventIds.length;
    }
    page = await reader.sealsAfter(previous.number, SEALS_AT_ONCE);
  }
  const waiting = await ledger.close();
  for (const { number } of awaited.values()) {
    report(
      number <= (anchor?.number ?? 0)
        ? `seal ${number}, which you expect, was archived: check it in the archive`
        : `seal ${number}, which you expect, is not there: the chain was cut off before it, or is another one`,
    );
  }
  const head = previous.number === 0 ? undefined : { number: previous.number, hash: previous.hash };
  return { findings, seals: seals + leftovers, events, ...waiting, head };
}

type Report = (finding: string) => void;
/** What the next seal has to go on from. Nothing that it seals may have been recorded before `floor`. */
type Link = ChainHead & { floor: string | undefined };

async function verifiedAnchor({ reader, hashes, key }: VerifyAuditDeps, report: Report) {
  const anchor = await reader.anchor();
  if (anchor !== undefined && key !== undefined && !hashes.equal(hashes.anchorMac(key, anchor), anchor.mac)) {
    report(`the anchor at seal ${anchor.number} was not made with the audit key: what is before it was not archived`);
  }
  return anchor;
}

/** Seals that an archive which was interrupted has yet to delete: their events are in it. */
async function passLeftovers(
  reader: AuditReader,
  ledger: ReturnType<typeof createEventLedger>,
  through: number,
): Promise<number> {
  let passed = 0;
  let page = await reader.sealsAfter(0, SEALS_AT_ONCE);
  while (page.some(({ number }) => number <= through)) {
    for (const seal of page.filter(({ number }) => number <= through)) {
      await ledger.account(seal);
      passed++;
    }
    page = await reader.sealsAfter(page.at(-1)?.number ?? through, SEALS_AT_ONCE);
  }
  return passed;
}

function meetExpected(awaited: Map<number, ChainHead>, { number, hash }: ChainHead, report: Report): void {
  const expected = awaited.get(number);
  if (expected !== undefined && !expected.hash.equals(hash)) {
    report(`seal ${number} has another hash than you expect: the chain was written anew`);
  }
  awaited.delete(number);
}

function verifyLink(
  { hashes, key }: VerifyAuditDeps,
  { seal, previous }: { seal: Seal; previous: Link },
  report: Report,
) {
  const { number } = seal;
  const first = previous.number + 1;
  if (number > first) {
    report(number === first + 1 ? `seal ${first} is missing` : `seals ${first} to ${number - 1} are missing`);
  } else if (!hashes.equal(seal.previousHash, previous.hash)) {
    report(`seal ${number} does not go on from the one before it`);
  }
  if (!hashes.equal(hashes.hash(seal), seal.hash))
    report(`seal ${number} was changed: its hash is not that of its content`);
  if (key !== undefined && !hashes.equal(hashes.mac(key, seal.hash), seal.mac)) {
    report(`seal ${number} was not made with the audit key`);
  }
}

type Sealed = { seal: Seal; floor: string | undefined };

async function verifyEvents(
  { reader, hashes }: VerifyAuditDeps,
  { seal, floor }: Sealed,
  report: Report,
): Promise<void> {
  const found = new Map((await reader.events(seal.eventIds)).map((event) => [event.id, event]));
  for (const [index, id] of seal.eventIds.entries()) {
    const event = found.get(id);
    const digest = seal.digests.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES);
    if (event === undefined) report(`event ${id} of seal ${seal.number} is gone`);
    else if (!hashes.equal(hashes.digest(event), digest)) report(`event ${id} was changed after seal ${seal.number}`);
    else verifyTimes(event, { seal, floor }, report);
  }
}

/**
 * An event is sealed moments after it was recorded. What was recorded before a complete seal and is in a later one was put in
 * afterwards, with a time of somebody's choice. Events of before the chain have no `recorded_at`; they are in its first seals.
 */
function verifyTimes(event: SealableEvent, { seal, floor }: Sealed, report: Report): void {
  const { id, recorded_at: recorded, occurred_at: occurred } = event;
  if (floor !== undefined && (recorded === null || millis(recorded) < millis(floor) - TOLERANCE_MS)) {
    const since = recorded ?? "before the chain began";
    report(
      `event ${id} was put in later: recorded ${since}, it is in none of the seals up to ${floor}, but in ${seal.number}`,
    );
  } else if (recorded !== null && Math.abs(millis(recorded) - millis(occurred)) > TOLERANCE_MS) {
    report(`event ${id} says that it occurred ${occurred}, and was recorded ${recorded}`);
  }
}

function millis(time: string | null): number {
  return Date.parse(time ?? "");
}
