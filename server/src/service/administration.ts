import { type Authority, covers } from "../domain/authority.ts";
import { AuthError } from "../domain/errors.ts";
import { type Role, roleNameProblems } from "../domain/role.ts";
import { parseUuid } from "../domain/uuid.ts";
import { refuseProblems } from "../domain/validation.ts";
import type { Act, AdminUser } from "./administration-ports.ts";

/** @throws AuthError `validation_failed` for a text that is no UUID. */
export function readUserId(text: string): string {
  const id = parseUuid(text);
  if (id === undefined) refuseProblems([{ field: "user_id", problem: "must be the id of a user" }]);
  return id as string;
}

/** @throws AuthError `validation_failed` for a text that no role can have as its name. */
export function readRoleName(text: string, field = "name"): string {
  refuseProblems(roleNameProblems(text, field));
  return text;
}

export function orNoUser<T>(user: T | undefined): T {
  if (user === undefined) throw new AuthError("not_found", { message: "There is no such user." });
  return user;
}

export function orNoRole<T>(role: T | undefined): T {
  if (role === undefined) throw new AuthError("not_found", { message: "There is no such role." });
  return role;
}

export function refuseStale(present: { version: number }, expectedVersion: number | undefined): void {
  if (expectedVersion === undefined || expectedVersion === present.version) return;
  throw new AuthError("conflict", {
    message: `It was changed meanwhile: its version is ${present.version}. Read it again.`,
  });
}

/** The user to act on. @throws AuthError `not_found`, `forbidden` for one who may do more than the caller. */
export async function findSubject(act: Act, userId: string): Promise<AdminUser> {
  const user = orNoUser(await act.findUser(userId));
  requireCoveredUser(act.authority, user);
  return user;
}

/** @throws AuthError `forbidden` for a user who may do more. */
export function requireCoveredUser(authority: Authority, user: Authority): void {
  if (covers(authority, user)) return;
  throw new AuthError("forbidden", { message: "This user may do more than you, or is an administrator." });
}

export function authorityOf(role: Role): Authority {
  return { roles: role.effectiveRoles, permissions: role.effectivePermissions };
}

/** @throws AuthError `forbidden` for a role that comes to more than the caller may do. */
export function requireCovered(act: Act, role: Role): void {
  if (covers(act.authority, authorityOf(role))) return;
  throw new AuthError("forbidden", { message: `The role ${role.name} comes to more than you may do yourself.` });
}
