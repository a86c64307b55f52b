import type { AuditHashes, AuditSeals, ChainHead, Seal, SealBatch } from "./audit-chain-ports.ts";

/** A seal of so many events has some 40 kB. */
export const EVENTS_PER_SEAL = 1000;

export type SealAuditDeps = {
  seals: Pick<AuditSeals, "sealNext">;
  hashes: AuditHashes;
  key(): Promise<Buffer>;
};

/** Seals what waits, batch by batch, until nothing does or another server is at it. The last seal, and how many events there were. */
export async function sealAudit(deps: SealAuditDeps): Promise<{ head: ChainHead | undefined; count: number }> {
  const key = await deps.key();
  let head: ChainHead | undefined;
  let count = 0;
  let complete = false;
  while (!complete) {
    const seal = await deps.seals.sealNext(EVENTS_PER_SEAL, (batch) => makeSeal(deps.hashes, key, batch));
    if (seal !== undefined) head = { number: seal.number, hash: seal.hash };
    count += seal?.eventIds.length ?? 0;
    complete = seal?.complete ?? true;
  }
  return { head, count };
}

function makeSeal(hashes: AuditHashes, key: Buffer, { previous, events, sealedAt, complete }: SealBatch): Seal {
  const content = {
    number: (previous?.number ?? 0) + 1,
    sealedAt,
    complete,
    previousHash: previous?.hash ?? hashes.genesis,
    eventIds: events.map(({ id }) => id),
    digests: Buffer.concat(events.map(hashes.digest)),
  };
  const hash = hashes.hash(content);
  return { ...content, hash, mac: hashes.mac(key, hash) };
}

/** A head as people write it down: `<number>:<hash in hexadecimal>`. */
export function formatHead({ number, hash }: ChainHead): string {
  return `${number}:${hash.toString("hex")}`;
}

/** Undefined when the text is no head. */
export function parseHead(text: string): ChainHead | undefined {
  const [, number, hash] = /^([1-9]\d{0,14}):([0-9a-f]{64})$/.exec(text) ?? [];
  return number === undefined || hash === undefined
    ? undefined
    : { number: Number(number), hash: Buffer.from(hash, "hex") };
}
