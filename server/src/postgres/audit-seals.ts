import type { AuditSeals, ChainHead, Seal, SealableEvent } from "../service/audit-chain-ports.ts";
import { createAuditReader } from "./audit-reader.ts";
import { SEALABLE_COLUMNS, sealedTime } from "./audit-text.ts";
import { type Database, inSnapshot, inTransaction, run, runOne, statement } from "./database.ts";

/** Of this database. Any number that no other lock has. */
const LOCK = "7310600815532617";

const OLDEST = statement<{ wait_s: number }>(
  "audit_oldest_wait",
  `SELECT greatest(0, extract(epoch FROM clock_timestamp() - waits_since))::float8 AS wait_s
  FROM audit_unsealed ORDER BY event_id LIMIT 1`,
);

/** Released by the end of the transaction, however it ends. The time is from before the events are looked for. */
const TRY_LOCK = statement<{ locked: boolean; sealed_at: string }>(
  "audit_try_lock",
  `SELECT pg_try_advisory_xact_lock(${LOCK}) AS locked, ${sealedTime("clock_timestamp()")} AS sealed_at`,
);

const HEAD = statement<{ number: string; hash: Buffer }>(
  "audit_head",
  `SELECT number, hash FROM audit_seals UNION ALL SELECT number, hash FROM audit_anchors ORDER BY number DESC LIMIT 1`,
);

const HAS = statement<{ has: boolean }>(
  "audit_has_seal",
  `SELECT EXISTS (SELECT FROM audit_seals WHERE number = $1::bigint AND hash = $2)
    OR EXISTS (SELECT FROM audit_anchors WHERE number > $1::bigint OR (number = $1::bigint AND hash = $2)) AS has`,
);

/**
 * An event that waits and is gone stays in the queue: its seal could not say what it was. `audit verify` tells of it. OFFSET 0 and
 * ctid keep the plan to a thousand look-ups, however long trail and queue are and whatever the planner thinks of them; nobody but who
 * holds the lock takes rows from the queue.
 */
const TAKE = statement<SealableEvent>(
  "audit_take_unsealed",
  `WITH next AS MATERIALIZED (
    SELECT audit_unsealed.ctid AS place FROM audit_unsealed
    CROSS JOIN LATERAL (SELECT FROM audit_events WHERE id = event_id OFFSET 0) AS event
    ORDER BY event_id LIMIT $1
  ), taken AS (
    DELETE FROM audit_unsealed WHERE ctid = ANY(ARRAY(SELECT place FROM next)) RETURNING event_id
  )
  SELECT event.* FROM taken
  CROSS JOIN LATERAL (SELECT ${SEALABLE_COLUMNS} FROM audit_events WHERE audit_events.id = event_id OFFSET 0) AS event
  ORDER BY event_id`,
);

const INSERT = statement(
  "audit_insert_seal",
  `INSERT INTO audit_seals (number, sealed_at, complete, event_ids, digests, previous_hash, hash, mac)
  VALUES ($1::bigint, $2::timestamptz, $3, $4::bigint[], $5, $6, $7, $8)`,
);

export function createAuditSeals(db: Database): AuditSeals {
  return {
    async oldestWaitS() {
      return (await runOne(db, OLDEST, []))?.wait_s;
    },

    async head() {
      return toHead(await runOne(db, HEAD, []));
    },

    async has({ number, hash }) {
      return (await runOne(db, HAS, [number, hash]))?.has === true;
    },

    // Read committed, and a statement for each look: the head is read after the lock was had, so it is the newest.
    sealNext(limit, make) {
      return inTransaction(db, async (transaction) => {
        const lock = await runOne(transaction, TRY_LOCK, []);
        if (lock?.locked !== true) return undefined;
        const previous = toHead(await runOne(transaction, HEAD, []));
        const events = await run(transaction, TAKE, [limit]);
        if (events.length === 0) return undefined;
        const seal = make({ previous, events, sealedAt: lock.sealed_at, complete: events.length < limit });
        await run(transaction, INSERT, sealValues(seal));
        return seal;
      });
    },

    inspect(task) {
      return inSnapshot(db, (read) => task(createAuditReader(read)));
    },
  };
}

function sealValues(seal: Seal): unknown[] {
  const { number, sealedAt, complete, eventIds, digests, previousHash, hash, mac } = seal;
  return [number, sealedAt, complete, eventIds, digests, previousHash, hash, mac];
}

function toHead(row: { number: string; hash: Buffer } | undefined): ChainHead | undefined {
  return row && { number: Number(row.number), hash: row.hash };
}
