import type { IdentifierHashes } from "../service/identifier-ports.ts";
import type { MfaLogins } from "../service/mfa-ports.ts";
import { type Database, run, runOne, statement } from "./database.ts";
import { clientValues, recordEvent } from "./events.ts";
import {
  accountSubject,
  countAttempt,
  forgiveFailures,
  type LockoutSettings,
  limitValues,
  storedNameSubject,
} from "./lockouts.ts";
import { codeValues, MAX_TRIES, PASSWORD_SHA256, spendCode } from "./mfa-codes.ts";
import { toUser, USER_COLUMNS, type UserRow } from "./user-row.ts";

/** FOR SHARE: as where a session is opened without a second factor. */
const CHALLENGE = statement<{ user_id: string }>(
  "make_mfa_challenge",
  `WITH upgraded AS (
    UPDATE users SET password_hash = $10::text
    WHERE id = $2 AND password_hash = $9 AND disabled_at IS NULL AND mfa_enabled AND $10::text IS NOT NULL
    RETURNING id, password_hash
  ), unchanged AS (
    SELECT id, password_hash FROM users
    WHERE id = $2 AND password_hash = $9 AND disabled_at IS NULL AND mfa_enabled AND $10::text IS NULL FOR SHARE
  ), verified AS (
    SELECT id, password_hash FROM upgraded UNION ALL SELECT id, password_hash FROM unchanged
  ), challenged AS (
    INSERT INTO mfa_challenges (token_hash, user_id, identifier_kind, identifier_hash, password_sha256, user_agent, created_at, expires_at)
    SELECT $1, users.id, $11::text, $8::bytea, ${PASSWORD_SHA256}, $6, $3, $4 FROM verified AS users
    RETURNING user_id, identifier_hash
  ), attempt AS (
    INSERT INTO login_attempts (attempted_at, user_id, identifier_hash, ip, user_agent, result)
    SELECT $3, user_id, identifier_hash, $5, $6, 'mfa_required' FROM challenged
  ), ${recordEvent({
    type: "login.mfa_required",
    result: "success",
    from: "challenged",
    now: "$3",
    actor: "NULL::uuid",
    subject: "user_id",
    session: "NULL::uuid",
    ip: "$5",
    userAgent: "$6",
    requestId: "$7",
  })}
  SELECT user_id FROM challenged`,
);

type BeginRow = {
  user_id: string | null;
  identifier_hash: Buffer | null;
  secret_wrapped: string | null;
  recovery_known: boolean;
  allowed: boolean;
  locked_until: Date | null;
  counted_at: string[];
};

/** Where tries of challenges that do not exist are counted: in few rows, so that nobody fills the table with them. */
const NO_CHALLENGE = "mfa:' || substr(encode($1::bytea, 'hex'), 1, 2)";

/**
 * Counts a try at the challenge, at the name of its login and at its account, and finds the factor; in one statement that does
 * the same work whether there is such a challenge.
 */
const BEGIN = statement<BeginRow>(
  "begin_mfa_try",
  `WITH challenge AS (
    UPDATE mfa_challenges AS c SET tries = c.tries + 1 FROM users
    WHERE c.token_hash = $1::bytea AND c.expires_at > $2 AND c.tries < ${MAX_TRIES} AND c.user_agent = $6
      AND users.id = c.user_id AND users.disabled_at IS NULL AND users.mfa_enabled AND c.password_sha256 = ${PASSWORD_SHA256}
    RETURNING c.user_id, c.identifier_kind, c.identifier_hash
  ), subjects AS (
    SELECT coalesce((SELECT ${storedNameSubject("user_id", "identifier_kind")} FROM challenge), 'name:${NO_CHALLENGE}) AS name,
      coalesce((SELECT ${accountSubject("user_id")} FROM challenge), 'user:${NO_CHALLENGE}) AS account
  ), ${countAttempt("by_name", { subject: "subjects.name", from: "FROM subjects" })},
  ${countAttempt("by_account", {
    subject: "(SELECT account FROM subjects)",
    from: "FROM by_name WHERE by_name.allowed OR NOT EXISTS (SELECT FROM challenge)",
  })}
  SELECT challenge.user_id, challenge.identifier_hash, f.secret_wrapped,
    EXISTS (
      SELECT FROM recovery_codes AS r WHERE r.user_id = challenge.user_id AND r.code_hash = $7::bytea AND r.used_at IS NULL
    ) AS recovery_known,
    by_name.allowed AND coalesce(by_account.allowed, false) AS allowed,
    greatest(CASE WHEN NOT by_name.allowed THEN by_name.locked_until END, CASE WHEN NOT by_account.allowed THEN by_account.locked_until END) AS locked_until,
    array_remove(ARRAY[
      CASE WHEN by_name.allowed THEN by_name.subject END, CASE WHEN by_account.allowed THEN by_account.subject END
    ], NULL) AS counted_at
  FROM by_name LEFT JOIN by_account ON true LEFT JOIN challenge ON true
  LEFT JOIN mfa_factors AS f ON f.user_id = challenge.user_id AND f.kind = 'totp' AND f.confirmed_at IS NOT NULL`,
);

/** Undoes what `BEGIN` counted at the challenge; what it counted elsewhere is undone as a login's. */
const RETURN_TRY = statement(
  "return_mfa_try",
  "UPDATE mfa_challenges SET tries = tries - 1 WHERE token_hash = $1::bytea AND tries > 0",
);

/** The challenge is locked first: of two tries that bring a good code each, one finds it gone. */
const OPEN = statement<UserRow>(
  "open_session_with_factor",
  `WITH held AS (
    SELECT token_hash, user_id, identifier_hash, password_sha256 FROM mfa_challenges
    WHERE token_hash = $8::bytea AND expires_at > $2 AND user_agent = $5 FOR UPDATE
  ), verified AS (
    SELECT users.id AS user_id, held.identifier_hash FROM held JOIN users ON users.id = held.user_id
    WHERE users.disabled_at IS NULL AND users.mfa_enabled AND held.password_sha256 = ${PASSWORD_SHA256} FOR SHARE OF users
  ), ${spendCode({ from: "verified", now: "$2", step: "$9", recoveryHash: "$10" })}, burned AS (
    DELETE FROM mfa_challenges USING passed WHERE token_hash = $8::bytea
  ), opened AS (
    INSERT INTO sessions (id, user_id, created_at, last_used_at, expires_at, ip, user_agent, authenticated_at)
    SELECT $1, user_id, $2, $2, $3, $4, $5, $2 FROM passed
    RETURNING id, user_id
  ), token AS (
    INSERT INTO refresh_tokens (token_hash, session_id, issued_at, expires_at) SELECT $7, id, $2, $11 FROM opened
  ), ${forgiveFailures("opened")}, attempt AS (
    INSERT INTO login_attempts (attempted_at, user_id, identifier_hash, ip, user_agent, result)
    SELECT $2, user_id, verified.identifier_hash, $4, $5, 'succeeded' FROM opened JOIN verified USING (user_id)
  ), ${recordEvent({
    type: "login.succeeded",
    result: "success",
    from: "opened",
    now: "$2",
    actor: "user_id",
    subject: "user_id",
    session: "id",
    ip: "$4",
    userAgent: "$5",
    requestId: "$6",
    detail: "jsonb_build_object('factor', (SELECT method FROM passed))",
  })}
  SELECT ${USER_COLUMNS} FROM opened JOIN users ON users.id = opened.user_id CROSS JOIN LATERAL effective_grants(users.id) AS grants`,
);

const RECORD_FAILURE = statement(
  "record_mfa_failure",
  `WITH attempt AS (
    INSERT INTO login_attempts (attempted_at, user_id, identifier_hash, ip, user_agent, result)
    VALUES ($1, $2::uuid, $3::bytea, $4, $5, $7)
    RETURNING user_id
  ), ${recordEvent({
    type: "mfa.failed",
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

export function createMfaLogins(
  db: Database,
  { lockout, identifiers }: { lockout: LockoutSettings; identifiers: IdentifierHashes },
  takeBack: (countedAt: string[], begunAt: Date) => Promise<void>,
): MfaLogins {
  const limits = limitValues(lockout);
  return {
    async challenge({ hash, expiresAt, client, now, userId, identifier, passwordHash, upgradedHash }) {
      const typed = identifiers.attempt(identifier.key);
      const values = [hash, userId, now, expiresAt, ...clientValues(client), typed, passwordHash, upgradedHash ?? null];
      const row = await runOne(db, CHALLENGE, [...values, identifier.kind]);
      return row === undefined ? undefined : true;
    },

    async begin({ hash, recoveryHash, client, now }) {
      const row = await runOne(db, BEGIN, [hash, now, ...limits, client.userAgent, recoveryHash ?? null]);
      if (row === undefined) throw new Error("a try was counted and its row did not come back");
      const live = row.user_id !== null;
      return {
        live,
        locked: live && !row.allowed,
        lockedUntil: row.locked_until,
        countedAt: row.counted_at,
        userId: row.user_id ?? undefined,
        identifierHash: row.identifier_hash ?? undefined,
        secretWrapped: row.secret_wrapped ?? undefined,
        recoveryKnown: row.recovery_known,
      };
    },

    async takeBack({ hash, countedAt, begunAt }) {
      await run(db, RETURN_TRY, [hash]);
      await takeBack(countedAt, begunAt);
    },

    async open({ hash, session, code }) {
      const row = await runOne(db, OPEN, [
        session.id,
        session.now,
        session.expiresAt,
        ...clientValues(session.client),
        session.refreshHash,
        hash,
        ...codeValues(code),
        session.refreshExpiresAt,
      ]);
      return row && toUser(row);
    },

    async recordFailure({ client, now, challengeHash, attempt, result }) {
      const { userId, identifierHash } = attempt;
      const values = [now, userId ?? null, identifierHash ?? challengeHash, ...clientValues(client), result];
      await run(db, RECORD_FAILURE, values);
    },
  };
}
