import type { Authority } from "../domain/authority.ts";
import { DEFAULT_ROLE } from "../domain/user.ts";
import type { Act } from "../service/administration-ports.ts";
import { type Queryable, run, runOne, statement } from "./database.ts";
import { ROLE_COLUMNS, type RoleRow, toRole } from "./role-row.ts";

const FIND = statement<RoleRow>(
  "lock_role",
  `SELECT ${ROLE_COLUMNS} FROM roles CROSS JOIN LATERAL grants_of_roles(ARRAY[roles.name]) AS grants
  WHERE roles.name = $1 FOR NO KEY UPDATE OF roles`,
);

const MISSING = statement<{ name: string }>(
  "missing_roles",
  "SELECT name FROM unnest($1::text[]) AS name WHERE NOT EXISTS (SELECT FROM roles WHERE roles.name = name.name) ORDER BY 1",
);

const CREATE = statement("create_role", "INSERT INTO roles (name, description, created_at) VALUES ($1, $2, $3)");

/** Touched whatever changes, so that its version grows. */
const UPDATE = statement(
  "update_role",
  "UPDATE roles SET description = coalesce($2::text, description) WHERE name = $1",
);

const HEIRS = statement<{ role: string }>(
  "heirs_of_role",
  "SELECT role FROM role_parents WHERE parent = $1 ORDER BY role",
);

const DELETE = statement("delete_role", "DELETE FROM roles WHERE name = $1");

const DROP_PERMISSIONS = statement(
  "drop_role_permissions",
  "DELETE FROM role_permissions WHERE role = $1 AND permission <> ALL($2::text[])",
);
const ADD_PERMISSIONS = statement(
  "add_role_permissions",
  "INSERT INTO role_permissions (role, permission) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING",
);
const DROP_PARENTS = statement(
  "drop_role_parents",
  "DELETE FROM role_parents WHERE role = $1 AND parent <> ALL($2::text[])",
);
/** A role is no parent of its own by a constraint, which would say less: `isCyclic` tells. */
const ADD_PARENTS = statement(
  "add_role_parents",
  "INSERT INTO role_parents (role, parent) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING",
);

const IS_CYCLIC = statement<{ cyclic: boolean }>(
  "is_cyclic_role",
  `WITH RECURSIVE above (role) AS (
    SELECT parent FROM role_parents WHERE role = $1
    UNION
    SELECT role_parents.parent FROM above JOIN role_parents ON role_parents.role = above.role
  )
  SELECT EXISTS (SELECT FROM above WHERE role = $1) AS cyclic`,
);

/** So many users are looked at: a role that more hold is one of the many alike. */
const LOOKED_AT = 2_000;

/** The role of everybody's counts with each: most users hold it beside another. The length is that of `fitsToken`. */
const LARGEST = statement<Authority>(
  "largest_grants",
  `WITH RECURSIVE below (role) AS (
    SELECT $1::text
    UNION
    SELECT role_parents.role FROM below JOIN role_parents ON role_parents.parent = below.role
  ), holders AS MATERIALIZED (
    (SELECT user_id FROM user_roles WHERE role = ANY (ARRAY(SELECT role FROM below WHERE role <> $2::text)) LIMIT ${LOOKED_AT})
    UNION
    (SELECT user_id FROM user_roles WHERE $2::text = ANY (ARRAY(SELECT role FROM below)) AND role <> $2::text LIMIT ${LOOKED_AT})
  ), sets AS MATERIALIZED (
    SELECT ARRAY[role, $2::text] AS assigned FROM below
    UNION
    SELECT ARRAY(SELECT role FROM user_roles WHERE user_roles.user_id = holders.user_id ORDER BY role OFFSET 0) FROM holders
  )
  SELECT grants.roles, grants.permissions FROM sets CROSS JOIN LATERAL grants_of_roles(sets.assigned) AS grants
  ORDER BY length(array_to_json(grants.roles)::text) + length(array_to_json(grants.permissions)::text) DESC LIMIT 1`,
);

const ASSIGN = statement<{ role: string }>(
  "assign_role",
  `INSERT INTO user_roles (user_id, role, granted_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING role`,
);

const REVOKE = statement<{ role: string }>(
  "revoke_role",
  "DELETE FROM user_roles WHERE user_id = $1 AND role = $2 RETURNING role",
);

type RoleActs = Pick<
  Act,
  | "findRole"
  | "missingRoles"
  | "createRole"
  | "updateRole"
  | "heirsOf"
  | "deleteRole"
  | "isCyclic"
  | "largestGrants"
  | "assignRole"
  | "revokeRole"
>;

export function createRoleActs(transaction: Queryable, now: Date): RoleActs {
  return {
    async findRole(name) {
      const row = await runOne(transaction, FIND, [name]);
      return row === undefined ? undefined : toRole(row);
    },

    async missingRoles(names) {
      return (await run(transaction, MISSING, [names])).map(({ name }) => name);
    },

    async createRole(name, { description, permissions, parents }) {
      await run(transaction, CREATE, [name, description, now]);
      await run(transaction, ADD_PERMISSIONS, [name, permissions]);
      await run(transaction, ADD_PARENTS, [name, parents]);
    },

    async updateRole(name, { description, permissions, parents }) {
      await run(transaction, UPDATE, [name, description ?? null]);
      if (permissions !== undefined) {
        await run(transaction, DROP_PERMISSIONS, [name, permissions]);
        await run(transaction, ADD_PERMISSIONS, [name, permissions]);
      }
      if (parents !== undefined) {
        await run(transaction, DROP_PARENTS, [name, parents]);
        await run(transaction, ADD_PARENTS, [name, parents]);
      }
    },

    async heirsOf(name) {
      return (await run(transaction, HEIRS, [name])).map(({ role }) => role);
    },

    async deleteRole(name) {
      await run(transaction, DELETE, [name]);
    },

    async isCyclic(name) {
      return (await runOne(transaction, IS_CYCLIC, [name]))?.cyclic === true;
    },

    async largestGrants(role) {
      return (await runOne(transaction, LARGEST, [role, DEFAULT_ROLE])) ?? { roles: [], permissions: [] };
    },

    async assignRole(userId, role) {
      return (await runOne(transaction, ASSIGN, [userId, role, now])) !== undefined;
    },

    async revokeRole(userId, role) {
      return (await runOne(transaction, REVOKE, [userId, role])) !== undefined;
    },
  };
}
