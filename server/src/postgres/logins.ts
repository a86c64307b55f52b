import type { Identifier } from "../domain/identifier.ts";
import type { IdentifierHashes } from "../service/identifier-ports.ts";
import type { AttemptPermit, CallerFailure, Logins } from "../service/ports.ts";
import { type Database, run, runOne, statement } from "./database.ts";
import { clientValues, recordEvent } from "./events.ts";
import {
  accountSubject,
  countAttempt,
  type LockoutSettings,
  limitValues,
  nameSubject,
  unknownSubject,
} from "./lockouts.ts";
import { toUser, USER_COLUMNS, type UserRow } from "./user-row.ts";

type BeginRow = {
  lock: "name" | "account" | null;
  locked_until: Date | null;
  counted_at: string[];
  decoy_hash: string | null;
} & (({ password_hash: string; disabled: boolean } & UserRow) | { password_hash: null });

const ACCOUNT_COLUMNS =
  "id, email, username, mfa_enabled, created_at, data_public, password_hash, disabled_at" as const;
const FOUND = `users.password_hash, users.disabled_at IS NOT NULL AS disabled, ${USER_COLUMNS}`;
const FIND_GRANTS = "LEFT JOIN LATERAL effective_grants(users.id) AS grants ON true";

/**
 * Counts an attempt and finds the account, in one statement that does the same work whether there is one: an identifier that
 * nobody has is counted like an account too, under an id made of it, and costs the hash of the account whose id comes next.
 * $6 and $7 are what the identifier is counted at when nobody has it: its hash, and the id that is made of it.
 */
function beginStatement(name: string, find: string, kind: "email" | "username") {
  return statement<BeginRow>(
    name,
    `WITH account AS (
      SELECT ${ACCOUNT_COLUMNS} FROM users WHERE ${find}
    ), ${countAttempt("by_name", {
      subject: `coalesce((SELECT ${nameSubject("id", `'${kind}'`)} FROM account), ${unknownSubject("$6::text")})`,
      from: "",
    })},
    ${countAttempt("by_account", {
      subject: accountSubject("coalesce((SELECT id FROM account), $7::uuid)"),
      from: "FROM by_name WHERE by_name.allowed",
    })}
    SELECT CASE WHEN NOT by_name.allowed THEN 'name' WHEN NOT by_account.allowed THEN 'account' END AS lock, by_name.locked_until,
      array_remove(ARRAY[
        CASE WHEN by_name.allowed THEN by_name.subject END, CASE WHEN by_account.allowed THEN by_account.subject END
      ], NULL) AS counted_at,
      coalesce(
        (SELECT next.password_hash FROM users AS next WHERE next.id >= $7::uuid ORDER BY next.id LIMIT 1),
        (SELECT first.password_hash FROM users AS first ORDER BY first.id LIMIT 1)
      ) AS decoy_hash,
      ${FOUND}
    FROM by_name LEFT JOIN by_account ON true LEFT JOIN account AS users ON true ${FIND_GRANTS}`,
  );
}

const BEGIN: Record<Identifier["kind"], ReturnType<typeof beginStatement>> = {
  email: beginStatement("begin_login_by_email", "email = $1::text", "email"),
  username: beginStatement("begin_login_by_username", "username_key = $1::text", "username"),
  nobody: beginStatement("begin_login_by_nobody", "false AND email = $1::text", "email"),
};

const BEGIN_BY_ID = statement<BeginRow>(
  "begin_attempt_by_id",
  `WITH account AS (
    SELECT ${ACCOUNT_COLUMNS} FROM users WHERE id = $1::uuid
  ), ${countAttempt("by_account", { subject: accountSubject("$1::uuid"), from: "" })}
  SELECT CASE WHEN NOT by_account.allowed THEN 'account' END AS lock, by_account.locked_until,
    CASE WHEN by_account.allowed THEN ARRAY[by_account.subject] ELSE '{}' END AS counted_at, NULL AS decoy_hash, ${FOUND}
  FROM by_account LEFT JOIN account AS users ON true ${FIND_GRANTS}`,
);

/** Undoes the count of one attempt, and the lock if it was the one that reached the threshold. */
const TAKE_BACK = statement(
  "take_back_attempt",
  `WITH held AS (
    SELECT subject FROM login_lockouts WHERE subject = ANY($1::text[]) ORDER BY subject FOR UPDATE
  )
  UPDATE login_lockouts AS l SET
    failures = failures - 1,
    locked_until = NULL,
    strikes = CASE WHEN locked_until IS NULL THEN strikes ELSE strikes - 1 END
  FROM held WHERE l.subject = held.subject AND failures > 0 AND window_started_at <= $2`,
);

const FIND_PASSWORD_HASH = statement<{ password_hash: string }>(
  "find_password_hash",
  "SELECT password_hash FROM users WHERE id = $1 AND disabled_at IS NULL",
);

type Failure = {
  type: "login.failed" | "password_change.failed" | "private_data.unlock_failed";
  actor: string;
  session: string;
};

function failureStatement(name: string, failure: Failure) {
  return statement(
    name,
    `WITH attempt AS (
      INSERT INTO login_attempts (attempted_at, user_id, identifier_hash, ip, user_agent, result)
      VALUES ($1, $2, $3::bytea, $4, $5, $7)
      RETURNING user_id
    ), ${recordEvent({
      ...failure,
      result: "failure",
      from: "attempt",
      now: "$1",
      subject: "user_id",
      ip: "$4",
      userAgent: "$5",
      requestId: "$6",
      detail: "jsonb_build_object('reason', $7::text)",
    })}
    SELECT 1`,
  );
}

const RECORD_FAILURE = failureStatement("record_login_failure", {
  type: "login.failed",
  actor: "NULL::uuid",
  session: "NULL::uuid",
});
const RECORD_CHANGE_FAILURE = failureStatement("record_password_change_failure", {
  type: "password_change.failed",
  actor: "user_id",
  session: "$8::uuid",
});
const RECORD_UNLOCK_FAILURE = failureStatement("record_unlock_failure", {
  type: "private_data.unlock_failed",
  actor: "user_id",
  session: "$8::uuid",
});

type LoginOptions = { lockout: LockoutSettings; identifiers: IdentifierHashes };

export function createLogins(db: Database, { lockout, identifiers }: LoginOptions): Logins {
  const limits = limitValues(lockout);
  return {
    async begin(identifier, now) {
      const { kind, key } = identifier;
      const unknown = [identifiers.unknownName(key), identifiers.decoyId(key)];
      return toPermit(await runOne(db, BEGIN[kind], [key, now, ...limits, ...unknown]));
    },
    async beginFor(userId, now) {
      return toPermit(await runOne(db, BEGIN_BY_ID, [userId, now, ...limits]));
    },
    async takeBack(countedAt, begunAt) {
      await run(db, TAKE_BACK, [countedAt, begunAt]);
    },
    async passwordHash(userId) {
      return (await runOne(db, FIND_PASSWORD_HASH, [userId]))?.password_hash;
    },
    async recordFailure({ client, now, identifier, userId, result }) {
      const hash = identifiers.attempt(identifier.key);
      await run(db, RECORD_FAILURE, [now, userId ?? null, hash, ...clientValues(client), result]);
    },
    async recordChangeFailure(attempt) {
      await run(db, RECORD_CHANGE_FAILURE, callerFailureValues(attempt, identifiers));
    },
    async recordUnlockFailure(attempt) {
      await run(db, RECORD_UNLOCK_FAILURE, callerFailureValues(attempt, identifiers));
    },
  };
}

function callerFailureValues(failure: CallerFailure, identifiers: IdentifierHashes): unknown[] {
  const { client, now, user, sessionId, result } = failure;
  return [now, user.id, identifiers.attempt(user.email), ...clientValues(client), result, sessionId];
}

function toPermit(row: BeginRow | undefined): AttemptPermit {
  if (row === undefined) throw new Error("an attempt was counted and its row did not come back");
  const { locked_until: lockedUntil, counted_at: countedAt } = row;
  const account =
    row.password_hash === null
      ? undefined
      : { user: toUser(row), passwordHash: row.password_hash, disabled: row.disabled };
  const passwordHash = row.password_hash ?? row.decoy_hash ?? undefined;
  return { lock: row.lock ?? undefined, lockedUntil, countedAt, account, passwordHash };
}
