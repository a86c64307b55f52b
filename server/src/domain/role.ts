import { isPermission } from "./permissions.ts";
import { ADMIN_ROLE, DEFAULT_ROLE } from "./user.ts";
import type { Problems } from "./validation.ts";

/** A role with what it comes to. */
export type Role = {
  name: string;
  description: string;
  /** Its own, sorted. */
  permissions: string[];
  /** Sorted. */
  parents: string[];
  /** The role itself and all above it. */
  effectiveRoles: string[];
  effectivePermissions: string[];
  createdAt: Date;
  version: number;
};

export type RoleContent = { description: string; permissions: string[]; parents: string[] };

const NAME = /^[a-z][a-z0-9._-]{0,62}$/;
const NAME_RULE = "must be 1 to 63 of a to z, digits, `.`, `_` and `-`, and begin with a letter";
const MAX_DESCRIPTION = 256;
const MAX_PERMISSIONS = 100;
const MAX_PARENTS = 20;
/** Roles that may be assigned to one user. */
export const MAX_ASSIGNED = 32;

/** Roles that the server itself names. */
const BUILT_IN = new Set<string>([ADMIN_ROLE, DEFAULT_ROLE]);

export function isRoleName(text: string): boolean {
  return NAME.test(text);
}

export function isBuiltIn(name: string): boolean {
  return BUILT_IN.has(name);
}

export function roleNameProblems(name: string, field = "name"): Problems {
  return isRoleName(name) ? [] : [{ field, problem: NAME_RULE }];
}

/** What is wrong with what a role is to become. Whether its parents exist is another question. */
export function roleContentProblems({ description, permissions, parents }: Partial<RoleContent>): Problems {
  const problems: Problems = [];
  if (description !== undefined && !isDescription(description)) {
    problems.push({
      field: "description",
      problem: `must be text of at most ${MAX_DESCRIPTION} characters, without NUL`,
    });
  }
  if (permissions !== undefined && (permissions.length > MAX_PERMISSIONS || !permissions.every(isPermission))) {
    problems.push({
      field: "permissions",
      problem: `must be at most ${MAX_PERMISSIONS} of the form resource:action, in lower case, * for the whole of a side`,
    });
  }
  if (parents !== undefined && (parents.length > MAX_PARENTS || !parents.every(isRoleName))) {
    problems.push({ field: "parents", problem: `must be the names of at most ${MAX_PARENTS} roles` });
  }
  return problems;
}

function isDescription(text: string): boolean {
  return text.length <= MAX_DESCRIPTION && text.isWellFormed() && !text.includes("\0");
}
