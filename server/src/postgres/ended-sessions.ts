import type { EndedSessions } from "../service/backend-ports.ts";
import { type Database, run, statement } from "./database.ts";

type Row = { looked_at: string; key: string | null; session_id: string | null; user_id: string | null };

/**
 * What happened since a moment of the database's clock, and some seconds before it: a transaction may commit later than others that
 * wrote after it. None lasts that long, by the time-outs of the connection.
 */
const SINCE = statement<Row>(
  "ended_sessions_since",
  `WITH look AS MATERIALIZED (
    SELECT looked_at, coalesce($1::timestamptz, looked_at) - interval '10 seconds' AS since
    FROM (SELECT clock_timestamp() AS looked_at) AS clock
  ), told AS (
    SELECT 's' || ended.id AS key, ended.session_id, NULL::uuid AS user_id
    FROM ended_sessions AS ended WHERE ended.ended_at > (SELECT since FROM look)
    UNION ALL
    SELECT 'u' || changed.id, NULL, changed.user_id
    FROM changed_users AS changed WHERE changed.changed_at > (SELECT since FROM look)
  )
  SELECT look.looked_at::text, told.key, told.session_id, told.user_id FROM look LEFT JOIN told ON true`,
);

export function createEndedSessions(db: Database): EndedSessions {
  return {
    async since(moment) {
      const rows = await run(db, SINCE, [moment ?? null]);
      const words = rows.flatMap(({ key, session_id: sessionId, user_id: userId }) =>
        key === null ? [] : [{ key, ...(sessionId !== null && { sessionId }), ...(userId !== null && { userId }) }],
      );
      return { words, moment: rows[0]?.looked_at };
    },
  };
}
