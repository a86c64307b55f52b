import type { Act } from "../service/administration-ports.ts";
import { type AdminUserRow, adminUserColumns, toAdminUser } from "./admin-user-row.ts";
import { type Queryable, run, runOne, statement } from "./database.ts";
import { forgiveFailures } from "./lockouts.ts";
import { SESSION_END } from "./session-end.ts";

/** A login that found the password right waits for the act, or is waited for: it never opens a session behind its back. */
const LOCK = statement<AdminUserRow>(
  "lock_user",
  `SELECT ${adminUserColumns("$2::timestamptz")}
  FROM users CROSS JOIN LATERAL effective_grants(users.id) AS grants WHERE users.id = $1 FOR NO KEY UPDATE OF users`,
);

const CREATE = statement(
  "create_user",
  `WITH account AS (
    INSERT INTO users (id, email, username, username_key, password_hash, password_changed_at, data_public, created_at)
    VALUES ($1, $2, $3, lower($3::text COLLATE "C"), $4, $6, $5, $6)
    RETURNING id
  )
  INSERT INTO user_roles (user_id, role, granted_at) SELECT id, unnest($7::text[]), $6 FROM account`,
);

const UPDATE = statement(
  "update_user",
  `UPDATE users SET
    email = coalesce($3::text, email),
    email_verified = email_verified AND coalesce($3::text, email) = email,
    username = coalesce($4::text, username),
    username_key = coalesce(lower($4::text COLLATE "C"), username_key),
    password_hash = coalesce($5::text, password_hash),
    password_changed_at = CASE WHEN $5::text IS NULL THEN password_changed_at ELSE $2::timestamptz END,
    disabled_at = CASE WHEN $6::boolean THEN coalesce(disabled_at, $2::timestamptz) WHEN $6::boolean IS NULL THEN disabled_at END,
    data_public = coalesce($7::jsonb, data_public)
  WHERE id = $1`,
);

const FORGIVE = statement("forgive_user", `WITH ${forgiveFailures("(SELECT $1::uuid AS user_id)")} SELECT 1`);

const END_SESSIONS = statement<{ revoked: number }>(
  "end_sessions_of_user",
  `WITH ended AS (
    UPDATE sessions SET revoked_at = $2, revoked_reason = $3 WHERE user_id = $1 AND revoked_at IS NULL
    RETURNING ${SESSION_END} > $2 AS was_alive
  )
  SELECT count(*) FILTER (WHERE was_alive)::int AS revoked FROM ended`,
);

const DELETE = statement("delete_user", "DELETE FROM users WHERE id = $1");

const HAS_ADMIN = statement<{ found: boolean }>(
  "has_admin",
  `WITH RECURSIVE holding (role) AS (
    SELECT 'admin'
    UNION
    SELECT role_parents.role FROM holding JOIN role_parents ON role_parents.parent = holding.role
  )
  SELECT EXISTS (SELECT FROM holding JOIN user_roles USING (role)) AS found`,
);

type UserActs = Pick<
  Act,
  "findUser" | "createUser" | "updateUser" | "forgiveFailures" | "endSessions" | "deleteUser" | "hasAdmin"
>;

export function createUserActs(transaction: Queryable, now: Date): UserActs {
  return {
    async findUser(id) {
      const row = await runOne(transaction, LOCK, [id, now]);
      return row === undefined ? undefined : toAdminUser(row);
    },

    async createUser({ id, email, username, passwordHash, dataPublic }, roles) {
      await run(transaction, CREATE, [id, email, username, passwordHash, dataPublic, now, roles]);
    },

    async updateUser(id, { email, username, passwordHash, disabled, dataPublic }) {
      const values = [email, username, passwordHash, disabled, dataPublic].map((value) => value ?? null);
      await run(transaction, UPDATE, [id, now, ...values]);
    },

    async forgiveFailures(userId) {
      await run(transaction, FORGIVE, [userId]);
    },

    async endSessions(userId, reason) {
      return (await runOne(transaction, END_SESSIONS, [userId, now, reason]))?.revoked ?? 0;
    },

    async deleteUser(id) {
      await run(transaction, DELETE, [id]);
    },

    async hasAdmin() {
      return (await runOne(transaction, HAS_ADMIN, []))?.found === true;
    },
  };
}
