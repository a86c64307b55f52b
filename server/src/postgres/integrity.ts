import type { IntegrityFailure } from "../service/user-data-ports.ts";
import { type Database, run, statement } from "./database.ts";
import { clientValues, recordEvent } from "./events.ts";

const RECORD = statement(
  "record_integrity_failure",
  `WITH failure AS (SELECT $1::uuid AS user_id), ${recordEvent({
    type: "user_data.integrity_failed",
    result: "failure",
    from: "failure",
    now: "$2::timestamptz",
    actor: "$3::uuid",
    subject: "user_id",
    session: "NULL::uuid",
    ip: "$4::inet",
    userAgent: "$5::text",
    requestId: "$6::text",
    detail: "jsonb_build_object('what', $7::text)",
  })}
  SELECT 1`,
);

export function createIntegrityRecord(db: Database): (failure: IntegrityFailure) => Promise<void> {
  return async ({ client, actorId, userId, what, now }) => {
    await run(db, RECORD, [userId, now, actorId, ...clientValues(client), what]);
  };
}
