import { AuthError } from "../domain/errors.ts";
import { DEFAULT_ROLE } from "../domain/user.ts";
import type { Accounts, SeenPrivateKey } from "../service/ports.ts";
import { type Database, inTransaction, type Queryable, run, runOne, statement } from "./database.ts";
import { clientValues, recordEvent } from "./events.ts";
import { forgiveFailures } from "./lockouts.ts";
import { findPasswordKey, putPasswordKey } from "./private-data.ts";
import { isAlive, SESSION_END } from "./session-end.ts";

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

/**
 * The caller's session is held until the change commits: a logout either goes first, and nothing changes, or waits. The user is
 * locked before it, so that two changes from two sessions of one user do not wait for each other.
 */
const REPLACE_PASSWORD = statement<{ alive: boolean; replaced: boolean }>(
  "replace_password",
  `WITH account AS (
    SELECT id FROM users WHERE id = $1 AND disabled_at IS NULL FOR NO KEY UPDATE
  ), caller AS (
    SELECT sessions.user_id FROM account JOIN sessions ON sessions.user_id = account.id
    WHERE sessions.id = $5 AND ${isAlive("$4::timestamptz")} FOR SHARE OF sessions
  ), replaced AS (
    UPDATE users SET password_hash = $3, password_changed_at = $4 FROM caller
    WHERE users.id = caller.user_id AND password_hash = $2
    RETURNING users.id
  )
  SELECT EXISTS (SELECT FROM caller) AS alive, EXISTS (SELECT FROM replaced) AS replaced`,
);

const END_OTHER_SESSIONS = statement<{ revoked: number }>(
  "end_other_sessions",
  `WITH ended AS (
    UPDATE sessions SET revoked_at = $3, revoked_reason = 'password.changed'
    WHERE user_id = $1 AND id <> $2 AND revoked_at IS NULL
    RETURNING ${SESSION_END} > $3 AS was_alive
  ), ${forgiveFailures("(SELECT $1::uuid AS user_id)")}, counted AS (
    SELECT count(*) FILTER (WHERE was_alive)::int AS revoked FROM ended
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

    // Several statements: a later one has to see a session that a login with the old password opened while the first waited.
    changePassword({ userId, sessionId, oldHash, newHash, privateKey, client, now }) {
      return inTransaction(db, async (transaction) => {
        const change = await runOne(transaction, REPLACE_PASSWORD, [userId, oldHash, newHash, now, sessionId]);
        if (change?.alive !== true) throw new AuthError("token_revoked");
        if (!change.replaced) throw new AuthError("conflict", { message: "The password was changed meanwhile." });
        await movePrivateKey(transaction, { userId, privateKey, now });
        const ended = await runOne(transaction, END_OTHER_SESSIONS, [userId, sessionId, now, ...clientValues(client)]);
        return ended?.revoked ?? 0;
      });
    },
  };
}

/** Nobody writes private data while the user's row is held: what is found now is what this commits with. */
async function movePrivateKey(
  transaction: Queryable,
  { userId, privateKey, now }: { userId: string; privateKey: SeenPrivateKey; now: Date },
): Promise<void> {
  const present = await findPasswordKey(transaction, userId);
  const key = privateKey.change;
  const isSeen = present === privateKey.wrappedKey;
  if (!isSeen || (key !== undefined && !(await putPasswordKey(transaction, { userId, key, now })))) {
    throw new AuthError("conflict", { message: "The private data was changed meanwhile. Change the password again." });
  }
}
