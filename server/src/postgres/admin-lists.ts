import type { Administration, UserFilter } from "../service/administration-ports.ts";
import { type AdminUserRow, adminUserColumns, isLocked, toAdminUser } from "./admin-user-row.ts";
import { type Database, run, runOne, type Statement, statement } from "./database.ts";
import { ROLE_COLUMNS, type RoleRow, toRole } from "./role-row.ts";

type Listed = AdminUserRow & { created_micros: string };

/** The last of all characters: no text that begins with the prefix is behind it. */
const BEHIND = "chr(1114111)";

/** SQL of each filter: `$n` is its value. Written into the statement only when it is asked for, so that its index serves it. */
const FILTERS: { [Name in keyof UserFilter]-?: (value: string) => string } = {
  prefix: (value) => `((users.email COLLATE "C" >= ${value} AND users.email COLLATE "C" < ${value} || ${BEHIND})
    OR (users.username_key COLLATE "C" >= ${value} AND users.username_key COLLATE "C" < ${value} || ${BEHIND}))`,
  role: (value) => `users.id IN (
    WITH RECURSIVE holding (role) AS (
      SELECT ${value}
      UNION
      SELECT role_parents.role FROM holding JOIN role_parents ON role_parents.parent = holding.role
    )
    SELECT user_roles.user_id FROM user_roles JOIN holding USING (role)
  )`,
  disabled: (value) => `(users.disabled_at IS NOT NULL) = ${value}`,
  locked: (value) => `${isLocked("$1::timestamptz")} = ${value}`,
  mfa: (value) => `users.mfa_enabled = ${value}`,
};
const TYPES: Record<keyof UserFilter, string> = {
  prefix: "text",
  role: "text",
  disabled: "boolean",
  locked: "boolean",
  mfa: "boolean",
};
const NAMES = Object.keys(FILTERS) as (keyof UserFilter)[];

/** One of 2^5 statements, named by the filters it has. */
function listStatement(names: (keyof UserFilter)[]): Statement<Listed> {
  const where = names.map((name, index) => `AND ${FILTERS[name](`$${index + 5}::${TYPES[name]}`)}`).join(" ");
  return statement<Listed>(
    ["list_users", ...names].join("_"),
    `WITH page AS MATERIALIZED (
      SELECT users.id, users.created_at FROM users
      WHERE ($3::bigint IS NULL OR (users.created_at, users.id) > (timestamptz 'epoch' + $3::bigint * interval '1 microsecond', $4::uuid)) ${where}
      ORDER BY users.created_at, users.id LIMIT $2
    )
    SELECT (extract(epoch FROM users.created_at) * 1000000)::bigint::text AS created_micros, ${adminUserColumns("$1::timestamptz")}
    FROM page JOIN users USING (id) CROSS JOIN LATERAL effective_grants(users.id) AS grants
    ORDER BY page.created_at, page.id`,
  );
}

const FIND_USER = statement<AdminUserRow>(
  "find_user_for_admin",
  `SELECT ${adminUserColumns("$2::timestamptz")}
  FROM users CROSS JOIN LATERAL effective_grants(users.id) AS grants WHERE users.id = $1`,
);

const LIST_ROLES = statement<RoleRow>(
  "list_roles",
  `SELECT ${ROLE_COLUMNS} FROM roles CROSS JOIN LATERAL grants_of_roles(ARRAY[roles.name]) AS grants
  WHERE $1::text IS NULL OR roles.name COLLATE "C" > $1 ORDER BY roles.name COLLATE "C" LIMIT $2`,
);

const FIND_ROLE = statement<RoleRow>(
  "find_role",
  `SELECT ${ROLE_COLUMNS} FROM roles CROSS JOIN LATERAL grants_of_roles(ARRAY[roles.name]) AS grants WHERE roles.name = $1`,
);

const FIND_USER_ID = statement<{ id: string }>(
  "find_user_id",
  "SELECT id FROM users WHERE email = $1 OR username_key = $1",
);

export function createAdminLists(db: Database): Omit<Administration, "act"> {
  return {
    async listUsers({ filter, now, limit, after }) {
      const names = NAMES.filter((name) => filter[name] !== undefined);
      const values = names.map((name) => filter[name]);
      const position = [after?.createdMicros ?? null, after?.id ?? null];
      const rows = await run(db, listStatement(names), [now, limit, ...position, ...values]);
      return rows.map((row) => ({
        user: toAdminUser(row),
        position: { createdMicros: row.created_micros, id: row.id },
      }));
    },

    async findUser(id, now) {
      const row = await runOne(db, FIND_USER, [id, now]);
      return row === undefined ? undefined : toAdminUser(row);
    },

    async listRoles({ limit, after }) {
      return (await run(db, LIST_ROLES, [after ?? null, limit])).map(toRole);
    },

    async findRole(name) {
      const row = await runOne(db, FIND_ROLE, [name]);
      return row === undefined ? undefined : toRole(row);
    },

    async findUserId(name) {
      return (await runOne(db, FIND_USER_ID, [name]))?.id;
    },
  };
}
