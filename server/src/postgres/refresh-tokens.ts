import type { Sessions } from "../service/ports.ts";
import { type Database, run, runOne, statement } from "./database.ts";
import { clientValues, recordEvent } from "./events.ts";
import { AUTHENTICATED_AT, SESSION_END } from "./session-end.ts";
import { HOLDER_COLUMNS, type HolderRow, toHolder } from "./user-row.ts";

/**
 * The rotation. The UPDATE takes the row lock, so of many that present one token one finds it unused; the INSERT can only
 * follow it, and moves the session's end by a trigger. A logout that commits meanwhile is seen by every later use: liveness is
 * the session's, never the token's.
 */
const ROTATE = statement<HolderRow & { session_id: string; authenticated_at: Date; refresh_expires_at: Date }>(
  "rotate_refresh_token",
  `WITH used AS (
    UPDATE refresh_tokens AS t SET used_at = $5, successor_hash = $2, successor_sealed = $3
    FROM sessions, users
    WHERE t.token_hash = $1 AND t.used_at IS NULL AND t.expires_at > $5
      AND sessions.id = t.session_id AND sessions.revoked_at IS NULL AND sessions.expires_at > $5
      AND users.id = sessions.user_id AND users.disabled_at IS NULL
    RETURNING t.session_id, sessions.user_id, ${AUTHENTICATED_AT} AS authenticated_at,
      least(sessions.expires_at, $5::timestamptz + make_interval(secs => $4)) AS refresh_expires_at
  ), successor AS (
    INSERT INTO refresh_tokens (token_hash, session_id, issued_at, expires_at)
    SELECT $2, session_id, $5, refresh_expires_at FROM used
  ), touched AS (
    UPDATE sessions SET last_used_at = $5 FROM used WHERE sessions.id = used.session_id
  )
  SELECT used.session_id, used.authenticated_at, used.refresh_expires_at, ${HOLDER_COLUMNS}
  FROM used JOIN users ON users.id = used.user_id`,
);

type RefreshRow = HolderRow & {
  session_id: string;
  authenticated_at: Date;
  used_at: Date | null;
  expires_at: Date;
  successor_sealed: Buffer | null;
  successor_used: boolean | null;
  successor_expires_at: Date | null;
  session_revoked_at: Date | null;
  session_expires_at: Date;
  disabled: boolean;
};

const FIND = statement<RefreshRow>(
  "find_refresh_token",
  `SELECT t.session_id, ${AUTHENTICATED_AT} AS authenticated_at, t.used_at, t.expires_at, t.successor_sealed,
    s.used_at IS NOT NULL AS successor_used, s.expires_at AS successor_expires_at,
    sessions.revoked_at AS session_revoked_at, ${SESSION_END} AS session_expires_at,
    users.disabled_at IS NOT NULL AS disabled, ${HOLDER_COLUMNS}
  FROM refresh_tokens AS t
  JOIN sessions ON sessions.id = t.session_id
  JOIN users ON users.id = sessions.user_id
  LEFT JOIN refresh_tokens AS s ON s.token_hash = t.successor_hash
  WHERE t.token_hash = $1`,
);

const END_REUSED = statement(
  "end_reused_session",
  `WITH ended AS (
    UPDATE sessions SET revoked_at = $2, revoked_reason = 'session.refresh_reused'
    WHERE id = $1 AND revoked_at IS NULL
    RETURNING id, user_id
  ), ${recordEvent({
    type: "session.refresh_reused",
    result: "failure",
    from: "ended",
    now: "$2",
    actor: "NULL::uuid",
    subject: "user_id",
    session: "id",
    ip: "$3",
    userAgent: "$4",
    requestId: "$5",
  })}
  SELECT 1`,
);

export function createRefreshTokenStore(db: Database): Pick<Sessions, "rotate" | "findRefresh" | "endReused"> {
  return {
    async rotate({ hash, successorHash, successorSealed, successorLifeS, now }) {
      const row = await runOne(db, ROTATE, [hash, successorHash, successorSealed, successorLifeS, now]);
      if (row === undefined) return undefined;
      return {
        ...toHolder(row),
        sessionId: row.session_id,
        authenticatedAt: row.authenticated_at,
        refreshExpiresAt: row.refresh_expires_at,
      };
    },

    async findRefresh(hash) {
      const row = await runOne(db, FIND, [hash]);
      if (row === undefined) return undefined;
      return {
        ...toHolder(row),
        sessionId: row.session_id,
        authenticatedAt: row.authenticated_at,
        usedAt: row.used_at,
        expiresAt: row.expires_at,
        successorSealed: row.successor_sealed,
        successorUsed: row.used_at === null ? null : row.successor_used,
        successorExpiresAt: row.successor_expires_at,
        sessionRevokedAt: row.session_revoked_at,
        sessionExpiresAt: row.session_expires_at,
        userDisabled: row.disabled,
      };
    },

    async endReused(sessionId, client, now) {
      await run(db, END_REUSED, [sessionId, now, ...clientValues(client)]);
    },
  };
}
