import type { Role } from "../domain/role.ts";

export type RoleRow = {
  name: string;
  description: string;
  created_at: Date;
  version: number;
  own_permissions: string[];
  parents: string[];
  roles: string[];
  permissions: string[];
};

/** The columns of a `RoleRow`, where `roles` and `grants` (of `grants_of_roles`) are in scope. */
export const ROLE_COLUMNS = `roles.name, roles.description, roles.created_at, roles.version,
  ARRAY(SELECT permission FROM role_permissions WHERE role = roles.name ORDER BY permission) AS own_permissions,
  ARRAY(SELECT parent FROM role_parents WHERE role = roles.name ORDER BY parent) AS parents,
  grants.roles, grants.permissions`;

export function toRole(row: RoleRow): Role {
  return {
    name: row.name,
    description: row.description,
    permissions: row.own_permissions,
    parents: row.parents,
    effectiveRoles: row.roles,
    effectivePermissions: row.permissions,
    createdAt: row.created_at,
    version: row.version,
  };
}
