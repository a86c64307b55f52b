import type { Administration } from "../service/administration-ports.ts";
import { type AdminUserRow, adminUserColumns, toAdminUser } from "./admin-user-row.ts";
import { type Database, run, runOne, type Statement, statement } from "./database.ts";
import { ROLE_COLUMNS, type RoleRow, toRole } from "./role-row.ts";
import { type Condition, readConditions } from "./user-filters.ts";

type Listed = AdminUserRow & { created_micros: string };

/** SQL of where a page begins that is not the first one: a range of the index, from $3 and $4 on. */
const BEHIND_POSITION =
  "(users.created_at, users.id) > (timestamptz 'epoch' + $3::bigint * interval '1 microsecond', $4::uuid)";

/** One statement for each set of conditions, named by what it has. */
function listStatement(conditions: Condition[], isFirstPage: boolean): Statement<Listed> {
  const firstValue = isFirstPage ? 3 : 5;
  const texts = conditions.map(({ sql }, index) => sql(`$${index + firstValue}`));
  if (!isFirstPage) texts.unshift(BEHIND_POSITION);
  const where = texts.length === 0 ? "" : `WHERE ${texts.join(" AND ")}`;
  return statement<Listed>(
    ["list_users", ...(isFirstPage ? [] : ["on"]), ...conditions.map(({ name }) => name)].join("_"),
    `WITH page AS MATERIALIZED (
      SELECT users.id, users.created_at FROM users ${where}
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
      const conditions = await readConditions(db, filter, now);
      const values = conditions.map(({ value }) => value);
      const position = after === undefined ? [] : [after.createdMicros, after.id];
      const rows = await run(db, listStatement(conditions, after === undefined), [now, limit, ...position, ...values]);
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
