import { AuthError } from "../domain/errors.ts";
import type { Caller } from "../service/user-data-ports.ts";
import { type Database, inTransaction, type Queryable, run, runOne, statement } from "./database.ts";
import { clientValues, type EventType, recordEvent } from "./events.ts";
import { isAlive } from "./session-end.ts";

/** The user before the session, as a change of password has it: two changes of one user wait for each other here, not later. */
const LOCK_CALLER = statement<{ password_hash: string }>(
  "lock_caller",
  `WITH account AS (
    SELECT id, password_hash FROM users WHERE id = $1::uuid AND disabled_at IS NULL FOR NO KEY UPDATE
  )
  SELECT account.password_hash FROM account JOIN sessions ON sessions.user_id = account.id
  WHERE sessions.id = $2::uuid AND ${isAlive("$3::timestamptz")} FOR SHARE OF sessions`,
);

/**
 * Holds the user and the session of a change until it commits. Returns the hash of the user's password.
 * @throws AuthError `token_revoked` when the session is over, or the user disabled.
 */
export async function lockCaller(transaction: Queryable, { bearer }: Caller, now: Date): Promise<string> {
  const row = await runOne(transaction, LOCK_CALLER, [bearer.user.id, bearer.sessionId, now]);
  if (row === undefined) throw new AuthError("token_revoked");
  return row.password_hash;
}

const LOST = new Error("somebody else was faster");

/** A transaction that is rolled back, and false, when `task` returns false. */
export async function allOrNothing(db: Database, task: (transaction: Queryable) => Promise<boolean>): Promise<boolean> {
  try {
    await inTransaction(db, async (transaction) => {
      if (!(await task(transaction))) throw LOST;
    });
    return true;
  } catch (error) {
    if (error === LOST) return false;
    throw error;
  }
}

export type RecordOwnAct = (
  db: Queryable,
  act: { caller: Caller; now: Date; detail?: Record<string, unknown> },
) => Promise<void>;

/** What writes an event of a user about the user's own affairs. */
export function ownEvent(type: EventType): RecordOwnAct {
  const query = statement(
    `record_${type}`,
    `WITH caller AS (SELECT $1::uuid AS user_id), ${recordEvent({
      type,
      result: "success",
      from: "caller",
      now: "$2::timestamptz",
      actor: "user_id",
      subject: "user_id",
      session: "$3::uuid",
      ip: "$4::inet",
      userAgent: "$5::text",
      requestId: "$6::text",
      detail: "$7::jsonb",
    })}
    SELECT 1`,
  );
  return async (db, { caller: { client, bearer }, now, detail = {} }) => {
    await run(db, query, [bearer.user.id, now, bearer.sessionId, ...clientValues(client), detail]);
  };
}
