import type { UserFilter } from "../service/administration-ports.ts";
import { isLocked } from "./admin-user-row.ts";
import { type Database, run, statement } from "./database.ts";

/** A condition on `users`: what names it in the name of a statement, its SQL for the place of its value, and the value. */
export type Condition = { name: string; sql(value: string): string; value: unknown };

/** So few users are found first and then looked at; of more of them a page is soon full by looking at all users in order. */
const FEW = 1_000;

const HOLDING = (role: string) => `WITH RECURSIVE holding (role) AS (
    SELECT ${role}::text
    UNION
    SELECT role_parents.role FROM holding JOIN role_parents ON role_parents.parent = holding.role
  )`;

const HOLDERS = statement<{ id: string }>(
  "few_holders_of_role",
  `${HOLDING("$1")}
  SELECT user_roles.user_id AS id FROM holding JOIN user_roles USING (role) LIMIT ${FEW + 1}`,
);

const LOCKED = statement<{ id: string }>(
  "few_locked_users",
  `SELECT substring(subject FROM 6) AS id FROM login_lockouts
  WHERE locked_until > $1::timestamptz AND subject LIKE 'user:%' LIMIT ${FEW + 1}`,
);

/** The last of all characters: no text that begins with the prefix is behind it. */
const BEHIND = "chr(1114111)";

const byPrefix = (value: unknown): Condition => ({
  name: "prefix",
  sql: (text) => `((users.email COLLATE "C" >= ${text}::text AND users.email COLLATE "C" < ${text}::text || ${BEHIND})
    OR (users.username_key COLLATE "C" >= ${text}::text AND users.username_key COLLATE "C" < ${text}::text || ${BEHIND}))`,
  value,
});

const byId = (name: string, value: string[]): Condition => ({
  name: `${name}_ids`,
  sql: (ids) => `users.id = ANY(${ids}::uuid[])`,
  value,
});

/** OFFSET 0 keeps it a look at one user, instead of a join with all who hold the role. */
const byRole = (value: string): Condition => ({
  name: "role",
  sql: (role) => `EXISTS (
    SELECT FROM user_roles WHERE user_roles.user_id = users.id AND role = ANY(ARRAY(${HOLDING(role)} SELECT role FROM holding)) OFFSET 0
  )`,
  value,
});

/** Written out, so that an index of those users alone can serve it. */
const byFlag = (name: string, condition: string, isTrue: boolean): Condition => ({
  name: `${name}_${isTrue}`,
  sql: (flag) => (isTrue ? `(${condition} AND ${flag}::boolean)` : `NOT (${condition} OR ${flag}::boolean)`),
  value: isTrue,
});

/** The conditions of a filter, those that find few users first. */
export async function readConditions(db: Database, filter: UserFilter, now: Date): Promise<Condition[]> {
  const { prefix, role, disabled, locked, mfa } = filter;
  const conditions: Condition[] = [];
  if (role !== undefined) {
    const holders = await run(db, HOLDERS, [role]);
    conditions.push(holders.length > FEW ? byRole(role) : byId("role", idsOf(holders)));
  }
  if (locked === true) {
    const found = await run(db, LOCKED, [now]);
    conditions.push(
      found.length > FEW ? byFlag("locked", isLocked("$1::timestamptz"), true) : byId("locked", idsOf(found)),
    );
  }
  if (locked === false) conditions.push(byFlag("locked", isLocked("$1::timestamptz"), false));
  if (prefix !== undefined) conditions.push(byPrefix(prefix));
  if (disabled !== undefined) conditions.push(byFlag("disabled", "users.disabled_at IS NOT NULL", disabled));
  if (mfa !== undefined) conditions.push(byFlag("mfa", "users.mfa_enabled", mfa));
  return conditions;
}

function idsOf(rows: { id: string }[]): string[] {
  return rows.map(({ id }) => id);
}
