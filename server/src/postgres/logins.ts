import type { Identifier } from "../domain/identifier.ts";
import type { AttemptPermit, Logins } from "../service/ports.ts";
import { type Database, run, runOne, statement } from "./database.ts";
import { clientValues, recordEvent } from "./events.ts";
import { toUser, USER_COLUMNS, type UserRow } from "./user-row.ts";

export type LockoutSettings = { threshold: number; windowS: number; lockS: number };

type BeginRow = { allowed: boolean; locked_until: Date | null; subject: string } & (
  | ({ password_hash: string; disabled: boolean } & UserRow)
  | { password_hash: null }
);

/** No lock is longer than a day, and a day without a lock or an attempt forgets the strikes. */
const LONGEST_LOCK_S = 86_400;

/**
 * Counts one attempt of a subject and finds the account, in one statement. `$now` is inside a lock: refused and not counted.
 * Otherwise the attempt is allowed, and the one that reaches the threshold locks the subject for those after it.
 */
function beginStatement(name: string, find: string) {
  const locked = "(l.locked_until IS NOT NULL AND l.locked_until > $2::timestamptz)";
  const fresh =
    "(l.window_started_at <= $2::timestamptz - make_interval(secs => $4::int) OR l.locked_until IS NOT NULL)";
  const failures = `(CASE WHEN ${fresh} THEN 1 ELSE l.failures + 1 END)`;
  const strikes = `(CASE WHEN greatest(l.touched_at, l.locked_until) <= $2::timestamptz - make_interval(secs => ${LONGEST_LOCK_S}) THEN 0 ELSE l.strikes END)`;
  const lockEnd = `$2::timestamptz + make_interval(secs => least(${LONGEST_LOCK_S}, $5::int * power(2, least(${strikes}, 17))))`;
  return statement<BeginRow>(
    name,
    `WITH account AS (
      SELECT id, email, username, mfa_enabled, created_at, data_public, password_hash, disabled_at FROM users WHERE ${find}
    ),
    counted AS (
      INSERT INTO login_lockouts AS l (subject, failures, window_started_at, locked_until, strikes, allowed, touched_at)
      VALUES (coalesce('user:' || (SELECT id FROM account), 'unknown:' || encode(sha256(convert_to($1::text, 'UTF8')), 'hex')), 1, $2::timestamptz,
        CASE WHEN $3::int <= 1 THEN $2::timestamptz + make_interval(secs => $5::int) END, CASE WHEN $3::int <= 1 THEN 1 ELSE 0 END, true, $2::timestamptz)
      ON CONFLICT (subject) DO UPDATE SET
        failures = CASE WHEN ${locked} THEN l.failures ELSE ${failures} END,
        window_started_at = CASE WHEN ${locked} OR NOT ${fresh} THEN l.window_started_at ELSE $2::timestamptz END,
        strikes = CASE WHEN ${locked} OR ${failures} < $3::int THEN ${strikes} ELSE ${strikes} + 1 END,
        locked_until = CASE WHEN ${locked} THEN l.locked_until WHEN ${failures} >= $3::int THEN ${lockEnd} END,
        allowed = NOT ${locked},
        touched_at = CASE WHEN ${locked} THEN l.touched_at ELSE $2::timestamptz END
      RETURNING l.subject, l.allowed, l.locked_until
    )
    SELECT counted.*, users.password_hash, users.disabled_at IS NOT NULL AS disabled, ${USER_COLUMNS}
    FROM counted LEFT JOIN account AS users ON true LEFT JOIN LATERAL effective_grants(users.id) AS grants ON true`,
  );
}

const BEGIN: Record<Identifier["kind"], ReturnType<typeof beginStatement>> = {
  email: beginStatement("begin_login_by_email", "email = $1::text"),
  username: beginStatement("begin_login_by_username", "username_key = $1::text"),
  nobody: beginStatement("begin_login_by_nobody", "false AND email = $1::text"),
};
const BEGIN_BY_ID = beginStatement("begin_login_by_id", "id = ($1::text)::uuid");

/** Undoes the count of one attempt, and the lock if it was the one that reached the threshold. */
const TAKE_BACK = statement(
  "take_back_attempt",
  `UPDATE login_lockouts SET
    failures = failures - 1,
    locked_until = NULL,
    strikes = CASE WHEN locked_until IS NULL THEN strikes ELSE strikes - 1 END
  WHERE subject = $1 AND failures > 0 AND window_started_at <= $2`,
);

const FIND_PASSWORD_HASH = statement<{ password_hash: string }>(
  "find_password_hash",
  "SELECT password_hash FROM users WHERE id = $1 AND disabled_at IS NULL",
);

const RECORD_FAILURE = statement(
  "record_login_failure",
  `WITH attempt AS (
    INSERT INTO login_attempts (attempted_at, user_id, identifier_hash, ip, user_agent, result)
    VALUES ($1, $2, sha256(convert_to($3, 'UTF8')), $4, $5, $7)
    RETURNING user_id
  ), ${recordEvent({
    type: "login.failed",
    result: "failure",
    from: "attempt",
    now: "$1",
    actor: "NULL::uuid",
    subject: "user_id",
    session: "NULL::uuid",
    ip: "$4",
    userAgent: "$5",
    requestId: "$6",
    detail: "jsonb_build_object('reason', $7::text)",
  })}
  SELECT 1`,
);

export function createLogins(db: Database, settings: LockoutSettings): Logins {
  const limits = [settings.threshold, settings.windowS, settings.lockS];
  return {
    async begin(identifier, now) {
      return toPermit(await runOne(db, BEGIN[identifier.kind], [identifier.key, now, ...limits]));
    },
    async beginFor(userId, now) {
      return toPermit(await runOne(db, BEGIN_BY_ID, [userId, now, ...limits]));
    },
    async takeBack(subject, begunAt) {
      await run(db, TAKE_BACK, [subject, begunAt]);
    },
    async passwordHash(userId) {
      return (await runOne(db, FIND_PASSWORD_HASH, [userId]))?.password_hash;
    },
    async recordFailure(attempt) {
      const { client, now, identifier, userId, result } = attempt;
      await runOne(db, RECORD_FAILURE, [now, userId ?? null, identifier.key, ...clientValues(client), result]);
    },
  };
}

function toPermit(row: BeginRow | undefined): AttemptPermit {
  if (row === undefined) throw new Error("an attempt was counted and its row did not come back");
  const { allowed, locked_until: lockedUntil, subject } = row;
  const account =
    row.password_hash === null
      ? undefined
      : { user: toUser(row), passwordHash: row.password_hash, disabled: row.disabled };
  return { allowed, lockedUntil, subject, account };
}
