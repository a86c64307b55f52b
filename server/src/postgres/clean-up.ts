import { type Database, run, type Statement, statement } from "./database.ts";

/** How long each kind of row is kept past its use, in days. Audit events are never deleted here. */
const KEPT_DAYS = { sessions: 1, login_attempts: 90, login_lockouts: 2, revoked_tokens: 1, outbox_events: 7 };
const BATCH = 1000;

type CleanUp = Statement<{ gone: number }>;

function deleteBefore(table: string, column: string, key: string, days: number): CleanUp {
  return statement(
    `clean_up_${table}`,
    `WITH gone AS (
      DELETE FROM ${table} WHERE ${key} IN (
        SELECT ${key} FROM ${table} WHERE ${column} < $1::timestamptz - make_interval(days => ${days})
        LIMIT ${BATCH} FOR UPDATE SKIP LOCKED
      ) RETURNING 1
    ) SELECT count(*)::int AS gone FROM gone`,
  );
}

const CLEAN_UPS: CleanUp[] = [
  deleteBefore("sessions", "expires_at", "id", KEPT_DAYS.sessions),
  deleteBefore("revoked_tokens", "expires_at", "jti", KEPT_DAYS.revoked_tokens),
  deleteBefore("login_attempts", "attempted_at", "id", KEPT_DAYS.login_attempts),
  deleteBefore("login_lockouts", "touched_at", "subject", KEPT_DAYS.login_lockouts),
  deleteBefore("outbox_events", "occurred_at", "id", KEPT_DAYS.outbox_events),
];

/** Deletes what is over, in small batches that wait for nobody. Safe on every replica at once. Returns how many rows went. */
export async function cleanUp(db: Database, now: Date): Promise<number> {
  let total = 0;
  for (const query of CLEAN_UPS) {
    let gone = BATCH;
    while (gone === BATCH) {
      gone = (await run(db, query, [now]))[0]?.gone ?? 0;
      total += gone;
    }
  }
  return total;
}
