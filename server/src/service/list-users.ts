import { isRoleName } from "../domain/role.ts";
import { type Problems, refuseProblems } from "../domain/validation.ts";
import { orNoUser, readUserId } from "./administration.ts";
import type { AdminUser, UserFilter, UserPosition } from "./administration-ports.ts";
import { pageLimit, readPageToken, splitPage, writePageToken } from "./pages.ts";
import type { Deps } from "./ports.ts";

export type ListUsersDeps = Pick<Deps, "administration" | "clock">;
export type ListUsersInput = {
  pageSize: number;
  pageToken: string;
  query: string;
  role: string;
  disabled: boolean | undefined;
  locked: boolean | undefined;
  mfa: boolean | undefined;
};

const POSITION = /^(-?\d{1,17})\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;
const MAX_QUERY = 254;

export async function listUsers(
  deps: ListUsersDeps,
  input: ListUsersInput,
): Promise<{ users: AdminUser[]; nextPageToken: string }> {
  const limit = pageLimit(input.pageSize);
  const filter = readFilter(input);
  const after = readPosition(input.pageToken);
  const rows = await deps.administration.listUsers({ filter, now: deps.clock.now(), limit: limit + 1, after });
  const { items, last } = splitPage(rows, limit);
  const nextPageToken = last === undefined ? "" : writePageToken([last.position.createdMicros, last.position.id]);
  return { users: items.map(({ user }) => user), nextPageToken };
}

/** @throws AuthError `validation_failed`, `not_found`. */
export async function getUser(deps: ListUsersDeps, userId: string): Promise<AdminUser> {
  return orNoUser(await deps.administration.findUser(readUserId(userId), deps.clock.now()));
}

/** The query in the form in which emails and usernames are unique. */
function readFilter({ query, role, disabled, locked, mfa }: ListUsersInput): UserFilter {
  const problems: Problems = [];
  if (query.length > MAX_QUERY || !query.isWellFormed() || query.includes("\0")) {
    problems.push({ field: "query", problem: `must be text of at most ${MAX_QUERY} characters, without NUL` });
  }
  if (role !== "" && !isRoleName(role)) problems.push({ field: "role", problem: "must be the name of a role" });
  refuseProblems(problems);
  const prefix = query.trim().normalize("NFKC").toLowerCase();
  return { prefix: prefix === "" ? undefined : prefix, role: role === "" ? undefined : role, disabled, locked, mfa };
}

function readPosition(token: string): UserPosition | undefined {
  const [createdMicros, id] = readPageToken(token, POSITION) ?? [];
  return createdMicros === undefined || id === undefined ? undefined : { createdMicros, id };
}
