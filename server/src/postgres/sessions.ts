import { AuthError } from "../domain/errors.ts";
import type { IdentifierHashes } from "../service/identifier-ports.ts";
import type { SessionRecord, Sessions } from "../service/ports.ts";
import { type Database, run, runOne, statement } from "./database.ts";
import { clientValues, recordEvent } from "./events.ts";
import { forgiveFailures } from "./lockouts.ts";
import { AUTHENTICATED_AT, isAlive, SESSION_END } from "./session-end.ts";
import { HOLDER_COLUMNS, type HolderRow, toHolder } from "./user-row.ts";

/** FOR SHARE: a change of password waits for this login and then ends its session, or goes first and refuses it. */
const OPEN = statement<{ id: string }>(
  "open_session",
  `WITH upgraded AS (
    UPDATE users SET password_hash = coalesce($11::text, password_hash)
    WHERE id = $2 AND password_hash = $10 AND disabled_at IS NULL AND NOT mfa_enabled AND $11::text IS NOT NULL
    RETURNING id
  ), unchanged AS (
    SELECT id FROM users WHERE id = $2 AND password_hash = $10 AND disabled_at IS NULL AND NOT mfa_enabled AND $11::text IS NULL FOR SHARE
  ), verified AS (
    SELECT id FROM upgraded UNION ALL SELECT id FROM unchanged
  ), opened AS (
    INSERT INTO sessions (id, user_id, created_at, last_used_at, expires_at, ip, user_agent)
    SELECT $1, id, $3, $3, $4, $5, $6 FROM verified
    RETURNING id, user_id
  ), token AS (
    INSERT INTO refresh_tokens (token_hash, session_id, issued_at, expires_at) SELECT $8, id, $3, $9 FROM opened
  ), ${forgiveFailures("opened")}, attempt AS (
    INSERT INTO login_attempts (attempted_at, user_id, identifier_hash, ip, user_agent, result)
    SELECT $3, user_id, $12::bytea, $5, $6, 'succeeded' FROM opened
  ), ${recordEvent({
    type: "login.succeeded",
    result: "success",
    from: "opened",
    now: "$3",
    actor: "user_id",
    subject: "user_id",
    session: "id",
    ip: "$5",
    userAgent: "$6",
    requestId: "$7",
  })}
  SELECT id FROM opened`,
);

type BearerRow = HolderRow & { authenticated_at: Date; session_ends_at: Date };

/** What the roles come to is not computed for each call: the key says which answer of before still holds. */
const FIND_BEARER = statement<BearerRow>(
  "find_bearer",
  `SELECT ${HOLDER_COLUMNS}, ${AUTHENTICATED_AT} AS authenticated_at, ${SESSION_END} AS session_ends_at
  FROM sessions
  JOIN users ON users.id = sessions.user_id
  WHERE sessions.id = $1 AND sessions.user_id = $2 AND ${isAlive("$4::timestamptz")} AND users.disabled_at IS NULL
    AND NOT EXISTS (SELECT FROM revoked_tokens WHERE jti = $3)`,
);

const LIST = statement<{
  id: string;
  created_at: Date;
  last_used_at: Date;
  expires_at: Date;
  ip: string;
  user_agent: string;
}>(
  "list_sessions",
  `SELECT id, created_at, last_used_at, ${SESSION_END} AS expires_at, host(ip) AS ip, user_agent
  FROM sessions
  WHERE user_id = $1 AND ${isAlive("$2::timestamptz")}
    AND ($4::timestamptz IS NULL OR (created_at, id) < ($4, $5::uuid))
  ORDER BY created_at DESC, id DESC
  LIMIT $3`,
);

const REVOKE = statement<{ caller_alive: boolean; ended: boolean }>(
  "revoke_session",
  `WITH caller AS (
    SELECT FROM sessions WHERE id = $7 AND user_id = $2 AND ${isAlive("$3::timestamptz")}
  ), ended AS (
    UPDATE sessions SET revoked_at = $3, revoked_reason = 'session.revoked'
    WHERE id = $1 AND user_id = $2 AND ${isAlive("$3::timestamptz")} AND EXISTS (SELECT FROM caller)
    RETURNING id, user_id
  ), ${recordEvent({
    type: "session.revoked",
    result: "success",
    from: "ended",
    now: "$3",
    actor: "user_id",
    subject: "user_id",
    session: "id",
    ip: "$4",
    userAgent: "$5",
    requestId: "$6",
  })}
  SELECT EXISTS (SELECT FROM caller) AS caller_alive, EXISTS (SELECT FROM ended) AS ended`,
);

const LOGOUT = statement(
  "logout",
  `WITH ended AS (
    UPDATE sessions SET revoked_at = $6, revoked_reason = 'session.logged_out'
    WHERE revoked_at IS NULL AND (
      id = ANY(ARRAY(SELECT session_id FROM refresh_tokens WHERE token_hash = ANY($1::bytea[]))) OR (id = $2 AND user_id = $3)
    )
    RETURNING id, user_id
  ), listed AS (
    INSERT INTO revoked_tokens (jti, session_id, revoked_at, expires_at)
    SELECT $4::text, $2::uuid, $6, $5::timestamptz WHERE $4::text IS NOT NULL AND $5::timestamptz > $6
    ON CONFLICT (jti) DO NOTHING
  ), ${recordEvent({
    type: "session.logged_out",
    result: "success",
    from: "ended",
    now: "$6",
    actor: "user_id",
    subject: "user_id",
    session: "id",
    ip: "$7",
    userAgent: "$8",
    requestId: "$9",
  })}
  SELECT 1`,
);

export function createSessions(
  db: Database,
  identifiers: Pick<IdentifierHashes, "attempt">,
): Omit<Sessions, "rotate" | "findRefresh" | "endReused"> {
  return {
    async open({ session, userId, identifier, passwordHash, upgradedHash }) {
      const row = await runOne(db, OPEN, [
        session.id,
        userId,
        session.now,
        session.expiresAt,
        ...clientValues(session.client),
        session.refreshHash,
        session.refreshExpiresAt,
        passwordHash,
        upgradedHash ?? null,
        identifiers.attempt(identifier.key),
      ]);
      return row === undefined ? undefined : true;
    },

    async findBearer(claims, now) {
      const row = await runOne(db, FIND_BEARER, [claims.sessionId, claims.userId, claims.jti, now]);
      if (row === undefined) return undefined;
      return { ...toHolder(row), authenticatedAt: row.authenticated_at, sessionEndsAt: row.session_ends_at };
    },

    async list({ userId, now, limit, after }): Promise<SessionRecord[]> {
      const rows = await run(db, LIST, [userId, now, limit, after?.createdAt ?? null, after?.id ?? null]);
      return rows.map((row) => ({
        id: row.id,
        createdAt: row.created_at,
        lastUsedAt: row.last_used_at,
        expiresAt: row.expires_at,
        ip: row.ip,
        userAgent: row.user_agent,
      }));
    },

    async revoke({ userId, callerSessionId, sessionId, client, now }) {
      const values = [sessionId, userId, now, ...clientValues(client), callerSessionId];
      const row = await runOne(db, REVOKE, values);
      if (row?.caller_alive !== true) throw new AuthError("token_revoked");
      return row.ended;
    },

    async logout({ refreshHashes, access, client, now }) {
      await run(db, LOGOUT, [
        refreshHashes,
        access?.sessionId ?? null,
        access?.userId ?? null,
        access?.jti ?? null,
        access?.expiresAt ?? null,
        now,
        ...clientValues(client),
      ]);
    },
  };
}
