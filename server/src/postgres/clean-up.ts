import { type Database, runInBulk, type Statement, statement } from "./database.ts";

/** How long each kind of row is kept past its use, in days. Audit events are never deleted here. */
const KEPT_DAYS = {
  sessions: 1,
  login_attempts: 90,
  login_lockouts: 2,
  revoked_tokens: 1,
  ended_sessions: 1,
  changed_users: 1,
  outbox_events: 7,
  mfa_challenges: 0,
  mfa_factors: 1,
};
const BATCH = 1000;
/** A session takes its refresh tokens with it, a week's worth. */
const SESSION_BATCH = 50;

type Rows = { table: keyof typeof KEPT_DAYS; key: string; endsAt: string; only?: string; batch: number };
type CleanUp = { query: Statement<{ gone: number }>; batch: number };

const CLEAN_UPS: CleanUp[] = [
  deleteOver({ table: "sessions", key: "id", endsAt: "expires_at", batch: SESSION_BATCH }),
  deleteOver({ table: "revoked_tokens", key: "jti", endsAt: "expires_at", batch: BATCH }),
  deleteOver({ table: "ended_sessions", key: "id", endsAt: "ended_at", batch: BATCH }),
  deleteOver({ table: "changed_users", key: "id", endsAt: "changed_at", batch: BATCH }),
  deleteOver({ table: "login_attempts", key: "id", endsAt: "attempted_at", batch: BATCH }),
  deleteOver({ table: "login_lockouts", key: "subject", endsAt: "touched_at", batch: BATCH }),
  deleteOver({ table: "outbox_events", key: "id", endsAt: "occurred_at", batch: BATCH }),
  deleteOver({ table: "mfa_challenges", key: "token_hash", endsAt: "expires_at", batch: BATCH }),
  deleteOver({ table: "mfa_factors", key: "id", endsAt: "created_at", only: "confirmed_at IS NULL", batch: BATCH }),
];

/** Deletes what is over, in small batches that wait for nobody. Safe on every replica at once. Returns how many rows went. */
export async function cleanUp(db: Database, now: Date): Promise<number> {
  let total = 0;
  for (const { query, batch } of CLEAN_UPS) {
    let gone = batch;
    while (gone === batch) {
      gone = (await runInBulk(db, query, [now]))[0]?.gone ?? 0;
      total += gone;
    }
  }
  return total;
}

function deleteOver({ table, key, endsAt, only = "true", batch }: Rows): CleanUp {
  const query = statement<{ gone: number }>(
    `clean_up_${table}`,
    `WITH gone AS (
      DELETE FROM ${table} WHERE ${key} IN (
        SELECT ${key} FROM ${table} WHERE ${endsAt} < $1::timestamptz - make_interval(days => ${KEPT_DAYS[table]}) AND ${only}
        LIMIT ${batch} FOR UPDATE SKIP LOCKED
      ) RETURNING 1
    ) SELECT count(*)::int AS gone FROM gone`,
  );
  return { query, batch };
}
