import { DEFAULT_ROLE } from "../domain/user.ts";
import type { Accounts } from "../service/ports.ts";
import { type Database, inTransaction, run, runOne, statement } from "./database.ts";
import { clientValues, recordEvent } from "./events.ts";

const REGISTER = statement<{ roles: string[]; permissions: string[] }>(
  "register",
  `WITH RECURSIVE account AS (
    INSERT INTO users (id, email, username, username_key, password_hash, password_changed_at, data_public, created_at)
    VALUES ($1, $2, $3, lower($3::text COLLATE "C"), $4, $6, $5, $6)
    RETURNING id
  ), granted AS (
    INSERT INTO user_roles (user_id, role, granted_at) SELECT id, $14, $6 FROM account
  ), opened AS (
    INSERT INTO sessions (id, user_id, created_at, last_used_at, expires_at, ip, user_agent)
    SELECT $7, id, $6, $6, $8, $9, $10 FROM account
    RETURNING id, user_id
  ), token AS (
    INSERT INTO refresh_tokens (token_hash, session_id, issued_at, expires_at) SELECT $12, id, $6, $13 FROM opened
  ), ${recordEvent({
    type: "user.registered",
    result: "success",
    from: "opened",
    now: "$6",
    actor: "user_id",
    subject: "user_id",
    session: "id",
    ip: "$9",
    userAgent: "$10",
    requestId: "$11",
  })}
, held (role) AS (
    SELECT $14::text
    UNION
    SELECT role_parents.parent FROM held JOIN role_parents ON role_parents.role = held.role
  )
  SELECT
    (SELECT array_agg(role ORDER BY role) FROM held) AS roles,
    coalesce((SELECT array_agg(DISTINCT permission ORDER BY permission) FROM held JOIN role_permissions USING (role)), '{}') AS permissions`,
);

const REPLACE_PASSWORD = statement<{ id: string }>(
  "replace_password",
  `UPDATE users SET password_hash = $3, password_changed_at = $4
  WHERE id = $1 AND password_hash = $2 AND disabled_at IS NULL
  RETURNING id`,
);

const END_OTHER_SESSIONS = statement<{ revoked: number }>(
  "end_other_sessions",
  `WITH ended AS (
    UPDATE sessions SET revoked_at = $3, revoked_reason = 'password.changed'
    WHERE user_id = $1 AND id <> $2 AND revoked_at IS NULL
    RETURNING id
  ), forgiven AS (
    DELETE FROM login_lockouts WHERE subject = 'user:' || $1::uuid
  ), counted AS (
    SELECT count(*)::int AS revoked FROM ended
  ), ${recordEvent({
    type: "password.changed",
    result: "success",
    from: "counted",
    now: "$3",
    actor: "$1::uuid",
    subject: "$1::uuid",
    session: "$2::uuid",
    ip: "$4",
    userAgent: "$5",
    requestId: "$6",
    detail: "jsonb_build_object('revoked_sessions', revoked)",
  })}
  SELECT revoked FROM counted`,
);

export function createAccounts(db: Database): Accounts {
  return {
    async register(user, session) {
      const [row] = await run(db, REGISTER, [
        user.id,
        user.email,
        user.username,
        user.passwordHash,
        user.dataPublic,
        session.now,
        session.id,
        session.expiresAt,
        ...clientValues(session.client),
        session.refreshHash,
        session.refreshExpiresAt,
        DEFAULT_ROLE,
      ]);
      return {
        id: user.id,
        email: user.email,
        username: user.username,
        roles: row?.roles ?? [],
        permissions: row?.permissions ?? [],
        mfaEnabled: false,
        createdAt: session.now,
        dataPublic: user.dataPublic,
      };
    },

    // Two statements: the second has to see a session that a login with the old password opened while the first waited.
    changePassword({ userId, sessionId, oldHash, newHash, client, now }) {
      return inTransaction(db, async (transaction) => {
        const replaced = await runOne(transaction, REPLACE_PASSWORD, [userId, oldHash, newHash, now]);
        if (replaced === undefined) return undefined;
        const ended = await runOne(transaction, END_OTHER_SESSIONS, [userId, sessionId, now, ...clientValues(client)]);
        return ended?.revoked;
      });
    },
  };
}
