import type { EndedSessions } from "../service/backend-ports.ts";
import { type Database, run, statement } from "./database.ts";

/**
 * The sessions that ended since a moment of the database's clock, and some seconds before it: a transaction may commit later than
 * others that wrote after it. None lasts that long, by the time-outs of the connection.
 */
const SINCE = statement<{ looked_at: string; session_id: string | null }>(
  "ended_sessions_since",
  `WITH look AS MATERIALIZED (SELECT clock_timestamp() AS looked_at)
  SELECT look.looked_at::text, ended.session_id
  FROM look LEFT JOIN ended_sessions AS ended
    ON ended.ended_at > coalesce($1::timestamptz, look.looked_at) - interval '10 seconds'`,
);

export function createEndedSessions(db: Database): EndedSessions {
  return {
    async since(moment) {
      const rows = await run(db, SINCE, [moment ?? null]);
      const sessionIds = rows.flatMap(({ session_id: id }) => (id === null ? [] : [id]));
      return { sessionIds, moment: rows[0]?.looked_at };
    },
  };
}
