import type { ServiceImpl } from "@connectrpc/connect";
import type { RoleService, UpdateRoleRequest } from "@sello/gen/admin/v1/role_service_pb";
import type { RoleContent } from "../domain/role.ts";
import { refuseProblems } from "../domain/validation.ts";
import { assignRole, revokeRole } from "../service/assign-role.ts";
import { getRole, listRoles } from "../service/list-roles.ts";
import type { Deps } from "../service/ports.ts";
import { createRole, deleteRole, updateRole } from "../service/write-role.ts";
import { roleMessage } from "./admin-messages.ts";
import { callerOf } from "./caller.ts";

export function createRoleService(deps: Deps): ServiceImpl<typeof RoleService> {
  return {
    async listRoles({ pageSize, pageToken }) {
      const { roles, nextPageToken } = await listRoles(deps, { pageSize, pageToken });
      return { roles: roles.map(roleMessage), nextPageToken };
    },

    async getRole({ name }) {
      return { role: roleMessage(await getRole(deps, name)) };
    },

    async createRole({ name, description, permissions, parents }, context) {
      const role = await createRole(deps, callerOf(context), { name, description, permissions, parents });
      return { role: roleMessage(role) };
    },

    async updateRole(request, context) {
      const { name, expectedVersion } = request;
      const role = await updateRole(deps, callerOf(context), { name, change: readChange(request), expectedVersion });
      return { role: roleMessage(role) };
    },

    async deleteRole({ name, expectedVersion }, context) {
      await deleteRole(deps, callerOf(context), { name, expectedVersion });
      return {};
    },

    async assignRole({ userId, name }, context) {
      await assignRole(deps, callerOf(context), { userId, role: name });
      return {};
    },

    async revokeRole({ userId, name }, context) {
      await revokeRole(deps, callerOf(context), { userId, role: name });
      return {};
    },
  };
}

const CHANGEABLE = ["description", "permissions", "parents"] as const;

/** The fields of the mask; without one, those that are not empty (AIP-134). */
function readChange({ updateMask, ...request }: UpdateRoleRequest): Partial<RoleContent> {
  const paths = new Set(updateMask?.paths ?? CHANGEABLE.filter((field) => request[field].length > 0));
  const chosen = CHANGEABLE.filter((field) => paths.has(field));
  if (chosen.length < paths.size) {
    refuseProblems([{ field: "update_mask", problem: `must name some of ${CHANGEABLE.join(", ")}` }]);
  }
  return Object.fromEntries(chosen.map((field) => [field, request[field]]));
}
