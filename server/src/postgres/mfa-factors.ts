import { AuthError } from "../domain/errors.ts";
import type { IdentifierHashes } from "../service/identifier-ports.ts";
import type { FactorRecord, MfaCaller, MfaFactors } from "../service/mfa-ports.ts";
import { type Database, inTransaction, run, runOne, statement } from "./database.ts";
import { clientValues, type EventType, recordEvent } from "./events.ts";
import { forgiveFailures } from "./lockouts.ts";
import { codeValues, removeFactors, spendCode } from "./mfa-codes.ts";
import { isAlive, SESSION_END } from "./session-end.ts";

/** $1 user, $2 session, $3 now, $4 to $6 the client: what every statement of a caller begins with. */
const callerValues = ({ userId, sessionId, now, client }: MfaCaller) => [
  userId,
  sessionId,
  now,
  ...clientValues(client),
];

/**
 * The user is locked before the session, as in a change of password: a login or a logout either goes first, or waits until the
 * change is committed.
 */
const CALLER = `account AS (
    SELECT id, mfa_enabled FROM users WHERE id = $1::uuid AND disabled_at IS NULL FOR NO KEY UPDATE
  ), caller AS (
    SELECT sessions.user_id, account.mfa_enabled FROM account JOIN sessions ON sessions.user_id = account.id
    WHERE sessions.id = $2::uuid AND ${isAlive("$3::timestamptz")} FOR SHARE OF sessions
  )`;

function callerEvent(type: EventType, { from, detail }: { from: string; detail?: string }): string {
  return recordEvent({
    type,
    result: "success",
    from,
    now: "$3::timestamptz",
    actor: "$1::uuid",
    subject: "$1::uuid",
    session: "$2::uuid",
    ip: "$4::inet",
    userAgent: "$5::text",
    requestId: "$6::text",
    ...(detail !== undefined && { detail }),
  });
}

const FIND = statement<{ secret_wrapped: string; confirmed: boolean }>(
  "find_totp_factor",
  "SELECT secret_wrapped, confirmed_at IS NOT NULL AS confirmed FROM mfa_factors WHERE user_id = $1 AND kind = 'totp'",
);

type ListRow = { id: string | null; kind: string; confirmed_at: Date; last_used_at: Date | null; codes_left: number };
const LIST = statement<ListRow>(
  "list_factors",
  `SELECT f.id, f.kind, f.confirmed_at, f.last_used_at, codes.codes_left
  FROM (SELECT count(*)::int AS codes_left FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL) AS codes
  LEFT JOIN mfa_factors AS f ON f.user_id = $1 AND f.confirmed_at IS NOT NULL
  ORDER BY f.confirmed_at, f.id`,
);

type Change = { alive: boolean; changed: boolean };

const ENROLL = statement<Change>(
  "enroll_totp",
  `WITH ${CALLER}, offered AS (
    INSERT INTO mfa_factors AS f (id, user_id, kind, secret_wrapped, created_at)
    SELECT $7::uuid, user_id, 'totp', $8::text, $3 FROM caller
    ON CONFLICT (user_id) WHERE kind = 'totp' DO UPDATE SET id = $7::uuid, secret_wrapped = $8::text, created_at = $3
    WHERE f.confirmed_at IS NULL
    RETURNING f.id
  ), ${callerEvent("mfa.enrollment_started", { from: "offered" })}
  SELECT EXISTS (SELECT FROM caller) AS alive, EXISTS (SELECT FROM offered) AS changed`,
);

const CONFIRM = statement<Change>(
  "confirm_totp",
  `WITH ${CALLER}, confirmed AS (
    UPDATE mfa_factors AS f SET confirmed_at = $3, last_used_at = $3, last_used_step = $5::bigint FROM caller
    WHERE f.user_id = caller.user_id AND f.kind = 'totp' AND f.confirmed_at IS NULL AND f.secret_wrapped = $4::text
    RETURNING f.user_id
  ), enabled AS (
    UPDATE users SET mfa_enabled = true FROM confirmed WHERE users.id = confirmed.user_id
  ), codes AS (
    INSERT INTO recovery_codes (user_id, code_hash, created_at)
    SELECT user_id, unnest($6::bytea[]), $3 FROM confirmed
  )
  SELECT EXISTS (SELECT FROM caller) AS alive, EXISTS (SELECT FROM confirmed) AS changed`,
);

/** A statement of its own: it has to see a session that a login opened while the one before waited. */
const END_OTHER_SESSIONS = statement<{ revoked: number }>(
  "end_sessions_without_factor",
  `WITH ended AS (
    UPDATE sessions SET revoked_at = $3, revoked_reason = 'mfa.enrolled'
    WHERE user_id = $1 AND id <> $2 AND revoked_at IS NULL
    RETURNING ${SESSION_END} > $3 AS was_alive
  ), counted AS (
    SELECT count(*) FILTER (WHERE was_alive)::int AS revoked FROM ended
  ), ${callerEvent("mfa.enrolled", { from: "counted", detail: "jsonb_build_object('revoked_sessions', revoked)" })}
  SELECT revoked FROM counted`,
);

const SPEND = statement<Change>(
  "spend_code_to_disable",
  `WITH ${CALLER}, ${spendCode({ from: "caller", now: "$3::timestamptz", step: "$4", recoveryHash: "$5" })}
  SELECT EXISTS (SELECT FROM caller) AS alive, EXISTS (SELECT FROM passed) AS changed`,
);

const DISABLED = statement(
  "record_totp_disabled",
  `WITH disabled AS (SELECT $1::uuid AS user_id), ${forgiveFailures("disabled")},
  ${callerEvent("mfa.disabled", { from: "disabled" })} SELECT 1`,
);

const HOLD = statement<Change>(
  "hold_recovery_codes",
  `WITH ${CALLER}
  SELECT EXISTS (SELECT FROM caller) AS alive, EXISTS (SELECT FROM caller WHERE mfa_enabled) AS changed`,
);

const REPLACE_CODES = statement(
  "replace_recovery_codes",
  `WITH gone AS (
    DELETE FROM recovery_codes WHERE user_id = $1::uuid
  ), codes AS (
    INSERT INTO recovery_codes (user_id, code_hash, created_at) SELECT $1::uuid, unnest($7::bytea[]), $3
  ), whose AS (SELECT $1::uuid AS user_id), ${callerEvent("mfa.recovery_codes_replaced", { from: "whose" })}
  SELECT 1`,
);

const REAUTHENTICATE = statement<Change>(
  "reauthenticate",
  `WITH account AS (
    SELECT id FROM users
    WHERE id = $1::uuid AND disabled_at IS NULL AND password_hash = $7::text AND mfa_enabled = $8::boolean FOR SHARE
  ), caller AS (
    SELECT sessions.user_id FROM account JOIN sessions ON sessions.user_id = account.id
    WHERE sessions.id = $2::uuid AND ${isAlive("$3::timestamptz")}
  ), ${spendCode({ from: "caller", now: "$3::timestamptz", step: "$9", recoveryHash: "$10" })}, proven AS (
    SELECT user_id FROM passed UNION ALL SELECT user_id FROM caller WHERE NOT $8::boolean
  ), marked AS (
    UPDATE sessions SET authenticated_at = $3 FROM proven
    WHERE sessions.id = $2::uuid AND sessions.user_id = proven.user_id AND ${isAlive("$3::timestamptz")}
    RETURNING sessions.user_id
  ), ${forgiveFailures("marked")}, ${callerEvent("user.reauthenticated", { from: "marked" })}
  SELECT EXISTS (
      SELECT FROM sessions JOIN users ON users.id = sessions.user_id
      WHERE sessions.id = $2::uuid AND sessions.user_id = $1::uuid AND users.disabled_at IS NULL AND ${isAlive("$3::timestamptz")}
    ) AS alive,
    EXISTS (SELECT FROM marked) AS changed`,
);

type FailureType = Parameters<MfaFactors["recordFailure"]>[1]["type"];
const failureStatement = (name: string, type: FailureType) =>
  statement(
    name,
    `WITH attempt AS (
      INSERT INTO login_attempts (attempted_at, user_id, identifier_hash, ip, user_agent, result)
      VALUES ($3::timestamptz, $1::uuid, $7::bytea, $4::inet, $5::text, $8::text)
      RETURNING user_id
    ), ${recordEvent({
      type,
      result: "failure",
      from: "attempt",
      now: "$3::timestamptz",
      actor: "user_id",
      subject: "user_id",
      session: "$2::uuid",
      ip: "$4::inet",
      userAgent: "$5::text",
      requestId: "$6::text",
      detail: "jsonb_build_object('reason', $8::text)",
    })}
    SELECT 1`,
  );

const RECORD_FAILURE: Record<FailureType, ReturnType<typeof failureStatement>> = {
  "reauthentication.failed": failureStatement("record_reauthentication_failure", "reauthentication.failed"),
  "mfa.failed": failureStatement("record_factor_failure", "mfa.failed"),
};

export function createMfaFactors(db: Database, identifiers: IdentifierHashes): MfaFactors {
  return {
    async find(userId) {
      const row = await runOne(db, FIND, [userId]);
      return row && { secretWrapped: row.secret_wrapped, confirmed: row.confirmed };
    },

    async list(userId) {
      const rows = await run(db, LIST, [userId]);
      const factors = rows.flatMap(({ id, kind, confirmed_at, last_used_at }): FactorRecord[] =>
        id === null ? [] : [{ id, kind, confirmedAt: confirmed_at, lastUsedAt: last_used_at }],
      );
      return { factors, recoveryCodesLeft: rows[0]?.codes_left ?? 0 };
    },

    async enroll(caller, { id, secretWrapped }) {
      const change = checkAlive(await runOne(db, ENROLL, [...callerValues(caller), id, secretWrapped]));
      if (!change.changed) throw new AuthError("conflict", { message: "The second factor is on already." });
    },

    confirm(caller, { secretWrapped, step, recoveryHashes }) {
      const { userId, sessionId, now } = caller;
      return inTransaction(db, async (transaction) => {
        const values = [userId, sessionId, now, secretWrapped, step, recoveryHashes];
        const change = checkAlive(await runOne(transaction, CONFIRM, values));
        if (!change.changed) throw new AuthError("conflict", { message: "Another secret was made meanwhile." });
        return (await runOne(transaction, END_OTHER_SESSIONS, callerValues(caller)))?.revoked ?? 0;
      });
    },

    disable(caller, code) {
      const { userId, sessionId, now } = caller;
      return inTransaction(db, async (transaction) => {
        const values = [userId, sessionId, now, ...codeValues(code)];
        const change = checkAlive(await runOne(transaction, SPEND, values));
        if (!change.changed) return false;
        await removeFactors(transaction, userId);
        await run(transaction, DISABLED, callerValues(caller));
        return true;
      });
    },

    // Two statements: the second has to see the codes that another replacement stored while the first waited.
    replaceRecoveryCodes(caller, hashes) {
      const { userId, sessionId, now } = caller;
      return inTransaction(db, async (transaction) => {
        const change = checkAlive(await runOne(transaction, HOLD, [userId, sessionId, now]));
        if (!change.changed) throw new AuthError("conflict", { message: "The second factor is not on." });
        await run(transaction, REPLACE_CODES, [...callerValues(caller), hashes]);
      });
    },

    async reauthenticate(caller, { passwordHash, code }) {
      const values = [...callerValues(caller), passwordHash, code !== undefined, ...codeValues(code)];
      return checkAlive(await runOne(db, REAUTHENTICATE, values)).changed;
    },

    async recordFailure(caller, { type, email, result }) {
      await run(db, RECORD_FAILURE[type], [...callerValues(caller), identifiers.attempt(email), result]);
    },
  };
}

function checkAlive(change: Change | undefined): Change {
  if (change?.alive !== true) throw new AuthError("token_revoked");
  return change;
}
