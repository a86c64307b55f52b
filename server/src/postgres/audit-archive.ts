import type { AuditArchive } from "../service/audit-chain-ports.ts";
import { type Database, inTransaction, run, runInBulk, runOne, statement } from "./database.ts";
import { recordEvent } from "./events.ts";

const ANCHOR = statement(
  "audit_anchor_insert",
  `WITH anchored AS (
    INSERT INTO audit_anchors (number, hash, sealed_at, archived_at, mac)
    VALUES ($1::bigint, $2::bytea, $3::timestamptz, $4::timestamptz, $5::bytea)
    RETURNING number, archived_at
  ), ${recordEvent({
    type: "audit.archived",
    result: "success",
    from: "anchored",
    now: "archived_at",
    actor: "NULL::uuid",
    subject: "NULL::uuid",
    session: "NULL::uuid",
    ip: "NULL::inet",
    userAgent: "'cli'",
    requestId: "''",
    detail: "jsonb_build_object('by', 'cli', 'through_seal', number, 'events', $6::int)",
  })}
  SELECT 1`,
);

/** For this transaction alone: what the triggers ask for. */
const ALLOW = statement("audit_archive_allow", "SELECT set_config('sello.audit_archive', 'on', true)");

const REMOVE = statement<{ number: string }>(
  "audit_archive_remove",
  `WITH oldest AS (
    SELECT number, event_ids FROM audit_seals WHERE number <= $1::bigint ORDER BY number LIMIT 1
  ), events AS (
    DELETE FROM audit_events WHERE id = ANY((SELECT event_ids FROM oldest)::bigint[])
  )
  DELETE FROM audit_seals USING oldest WHERE audit_seals.number = oldest.number RETURNING audit_seals.number`,
);

export function createAuditArchive(db: Database): AuditArchive {
  return {
    async anchor({ number, hash, sealedAt, archivedAt, mac }, events) {
      await runInBulk(db, ANCHOR, [number, hash, sealedAt, archivedAt, mac, events]);
    },

    removeOldest(through) {
      return inTransaction(db, async (transaction) => {
        await run(transaction, ALLOW, []);
        return (await runOne(transaction, REMOVE, [through])) !== undefined;
      });
    },
  };
}
