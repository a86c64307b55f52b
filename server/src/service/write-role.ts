import { fitsToken } from "../domain/authority.ts";
import { AuthError } from "../domain/errors.ts";
import { isBuiltIn, type Role, type RoleContent, roleContentProblems, roleNameProblems } from "../domain/role.ts";
import { refuseProblems } from "../domain/validation.ts";
import { orNoRole, readRoleName, refuseStale, requireCovered } from "./administration.ts";
import type { Act, AdminCaller } from "./administration-ports.ts";
import type { Deps } from "./ports.ts";

export type WriteRoleDeps = Pick<Deps, "administration" | "clock">;

const PERMISSION = "roles:write";

/** @throws AuthError `validation_failed`, `already_exists`, `forbidden`, `conflict`. */
export async function createRole(
  deps: WriteRoleDeps,
  caller: AdminCaller,
  { name, ...content }: RoleContent & { name: string },
): Promise<Role> {
  refuseProblems([...roleNameProblems(name), ...roleContentProblems(content)]);
  return deps.administration.act(caller, { permission: PERMISSION, now: deps.clock.now() }, async (act) => {
    await refuseMissing(act, content.parents);
    await act.createRole(name, distinct(content));
    const role = await findWritten(act, name);
    await act.record({ type: "role.created", detail: describe(role) });
    return role;
  });
}

/** Changes what is given. @throws AuthError `validation_failed`, `not_found`, `forbidden`, `conflict`. */
export async function updateRole(
  deps: WriteRoleDeps,
  caller: AdminCaller,
  input: { name: string; change: Partial<RoleContent>; expectedVersion: number | undefined },
): Promise<Role> {
  const { change, expectedVersion } = input;
  const name = readRoleName(input.name);
  refuseProblems(roleContentProblems(change));
  return deps.administration.act(caller, { permission: PERMISSION, now: deps.clock.now() }, async (act) => {
    const before = orNoRole(await act.findRole(name));
    refuseStale(before, expectedVersion);
    requireCovered(act, before);
    await refuseMissing(act, change.parents ?? []);
    await act.updateRole(name, distinct(change));
    const role = await findWritten(act, name);
    await act.record({ type: "role.updated", detail: { ...describe(role), fields: Object.keys(change).sort() } });
    return role;
  });
}

/** Deletes a role, and takes it from every user who has it. @throws AuthError `validation_failed`, `not_found`, `forbidden`, `conflict`. */
export async function deleteRole(
  deps: WriteRoleDeps,
  caller: AdminCaller,
  input: { name: string; expectedVersion: number | undefined },
): Promise<void> {
  const name = readRoleName(input.name);
  await deps.administration.act(caller, { permission: PERMISSION, now: deps.clock.now() }, async (act) => {
    const role = orNoRole(await act.findRole(name));
    refuseStale(role, input.expectedVersion);
    requireCovered(act, role);
    if (isBuiltIn(name))
      throw new AuthError("conflict", { message: `The role ${name} is the server's own and stays.` });
    const heirs = await act.heirsOf(name);
    if (heirs.length > 0) {
      throw new AuthError("conflict", {
        message: `Other roles inherit from it: take it from ${heirs.join(", ")} first.`,
      });
    }
    await act.deleteRole(name);
    await act.record({ type: "role.deleted", detail: { role: name } });
  });
}

/** The role as it was just written. @throws AuthError `conflict` for a cycle, `forbidden` when it comes to more than the caller. */
async function findWritten(act: Act, name: string): Promise<Role> {
  if (await act.isCyclic(name))
    throw new AuthError("conflict", { message: `The role ${name} would inherit from itself.` });
  const role = orNoRole(await act.findRole(name));
  requireCovered(act, role);
  if (!fitsToken(await act.largestGrants(name))) {
    throw new AuthError("conflict", {
      message:
        "The role, one below it or a user of them would come to more roles and permissions than a token can hold.",
    });
  }
  return role;
}

async function refuseMissing(act: Act, parents: string[]): Promise<void> {
  const missing = await act.missingRoles(parents);
  refuseProblems(missing.map((parent) => ({ field: "parents", problem: `there is no role ${parent}` })));
}

function distinct<T extends Partial<RoleContent>>(content: T): T {
  const { permissions, parents } = content;
  return {
    ...content,
    ...(permissions && { permissions: [...new Set(permissions)] }),
    ...(parents && { parents: [...new Set(parents)] }),
  };
}

function describe({ name, permissions, parents }: Role): Record<string, unknown> {
  return { role: name, permissions, parents };
}
