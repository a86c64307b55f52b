import type { AuditReader, Seal, SealableEvent } from "../service/audit-chain-ports.ts";
import { SEALABLE_COLUMNS, sealedTime } from "./audit-text.ts";
import { type SnapshotRead, statement } from "./database.ts";

const ANCHOR = statement<{ number: string; hash: Buffer; sealed_at: string; archived_at: string; mac: Buffer }>(
  "audit_anchor",
  `SELECT number, hash, ${sealedTime("sealed_at")} AS sealed_at, ${sealedTime("archived_at")} AS archived_at, mac FROM audit_anchors AS a ORDER BY a.number DESC LIMIT 1`,
);

type SealRow = {
  number: string;
  sealed_at: string;
  complete: boolean;
  event_ids: string[];
  digests: Buffer;
  previous_hash: Buffer;
  hash: Buffer;
  mac: Buffer;
};

const SEALS = statement<SealRow>(
  "audit_seals_after",
  `SELECT number, ${sealedTime("sealed_at")} AS sealed_at, complete, event_ids, digests, previous_hash, hash, mac
  FROM audit_seals AS s WHERE s.number > $1::bigint ORDER BY s.number LIMIT $2`,
);

const EVENTS = statement<SealableEvent>(
  "audit_events_by_id",
  `SELECT ${SEALABLE_COLUMNS} FROM audit_events WHERE audit_events.id = ANY($1::bigint[])`,
);

const IDS = statement<{ id: string }>(
  "audit_ids_after",
  `SELECT id FROM audit_events WHERE id > $1::bigint AND id <= coalesce($2::bigint, 9223372036854775807) ORDER BY id LIMIT $3`,
);

const WAITING = statement<{ id: string; exists: boolean; wait_s: number }>(
  "audit_waiting_after",
  `SELECT event_id AS id, EXISTS (SELECT FROM audit_events WHERE id = event_id) AS exists,
    greatest(0, extract(epoch FROM clock_timestamp() - waits_since))::float8 AS wait_s
  FROM audit_unsealed WHERE event_id > $1::bigint ORDER BY event_id LIMIT $2`,
);

export function createAuditReader(read: SnapshotRead): AuditReader {
  return {
    async anchor() {
      const [row] = await read(ANCHOR, []);
      if (row === undefined) return undefined;
      const { hash, sealed_at: sealedAt, archived_at: archivedAt, mac } = row;
      return { number: Number(row.number), hash, sealedAt, archivedAt, mac };
    },
    async sealsAfter(number, limit) {
      return (await read(SEALS, [number, limit])).map(toSeal);
    },
    events(ids) {
      return read(EVENTS, [ids]);
    },
    async idsAfter(after, through, limit) {
      return (await read(IDS, [after, through ?? null, limit])).map(({ id }) => id);
    },
    async waitingAfter(after, limit) {
      const rows = await read(WAITING, [after, limit]);
      return rows.map(({ id, exists, wait_s: waitS }) => ({ id, exists, waitS }));
    },
  };
}

function toSeal(row: SealRow): Seal {
  return {
    number: Number(row.number),
    sealedAt: row.sealed_at,
    complete: row.complete,
    eventIds: row.event_ids,
    digests: row.digests,
    previousHash: row.previous_hash,
    hash: row.hash,
    mac: row.mac,
  };
}
