import type { Role } from "../domain/role.ts";
import { orNoRole, readRoleName } from "./administration.ts";
import { pageLimit, readPageToken, splitPage, writePageToken } from "./pages.ts";
import type { Deps } from "./ports.ts";

export type ListRolesDeps = Pick<Deps, "administration">;

const POSITION = /^([a-z][a-z0-9._-]{0,62})$/;

export async function listRoles(
  deps: ListRolesDeps,
  page: { pageSize: number; pageToken: string },
): Promise<{ roles: Role[]; nextPageToken: string }> {
  const limit = pageLimit(page.pageSize);
  const after = readPageToken(page.pageToken, POSITION)?.[0];
  const { items, last } = splitPage(await deps.administration.listRoles({ limit: limit + 1, after }), limit);
  return { roles: items, nextPageToken: last === undefined ? "" : writePageToken([last.name]) };
}

/** @throws AuthError `validation_failed`, `not_found`. */
export async function getRole(deps: ListRolesDeps, name: string): Promise<Role> {
  return orNoRole(await deps.administration.findRole(readRoleName(name)));
}
