import { fitsToken } from "../domain/authority.ts";
import { AuthError } from "../domain/errors.ts";
import { MAX_ASSIGNED } from "../domain/role.ts";
import { findSubject, orNoRole, orNoUser, readRoleName, readUserId, requireCovered } from "./administration.ts";
import type { Act, AdminCaller, AdminUser } from "./administration-ports.ts";
import type { Deps } from "./ports.ts";

export type AssignRoleDeps = Pick<Deps, "administration" | "clock">;
export type AssignRoleInput = { userId: string; role: string };

/** Gives a role to a user, who may have it already. @throws AuthError `not_found`, `forbidden`, `conflict`. */
export function assignRole(deps: AssignRoleDeps, caller: AdminCaller, input: AssignRoleInput): Promise<void> {
  return change(deps, caller, input, async (act, { id }, role) => {
    if (!(await act.assignRole(id, role))) return;
    refuseTooMany(orNoUser(await act.findUser(id)));
    await act.record({ type: "role.assigned", subjectId: id, detail: { role } });
  });
}

/** Takes a role from a user, who may not have it. @throws AuthError `not_found`, `forbidden`, `conflict`. */
export function revokeRole(deps: AssignRoleDeps, caller: AdminCaller, input: AssignRoleInput): Promise<void> {
  return change(deps, caller, input, async (act, { id }, role) => {
    if (await act.revokeRole(id, role)) await act.record({ type: "role.revoked", subjectId: id, detail: { role } });
  });
}

type Change = (act: Act, user: AdminUser, role: string) => Promise<void>;

async function change(deps: AssignRoleDeps, caller: AdminCaller, input: AssignRoleInput, task: Change): Promise<void> {
  const id = readUserId(input.userId);
  const name = readRoleName(input.role);
  await deps.administration.act(caller, { permission: "roles:write", now: deps.clock.now() }, async (act) => {
    const user = await findSubject(act, id);
    requireCovered(act, orNoRole(await act.findRole(name)));
    await task(act, user, name);
  });
}

function refuseTooMany(user: AdminUser): void {
  if (user.assignedRoles.length <= MAX_ASSIGNED && fitsToken(user)) return;
  throw new AuthError("conflict", { message: "The user would hold more roles and permissions than a token can." });
}
