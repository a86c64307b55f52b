import { isGranted } from "./permissions.ts";
import { ADMIN_ROLE } from "./user.ts";

/** What somebody may do, or what a role comes to: inherited roles and their permissions included. */
export type Authority = { roles: readonly string[]; permissions: readonly string[] };

/** Of whoever sits at the server's command line. */
export const OPERATOR: Authority = { roles: [ADMIN_ROLE], permissions: ["*:*"] };

/** What the role `admin` must always come to: without one of them nobody could ever give it back. */
const ADMIN_PERMISSIONS = ["users:read", "users:write", "roles:read", "roles:write", "roles:escalate", "audit:read"];

/** Lets its holder give away, and act on, more than the holder may do: permissions of the applications, which no user has at first. */
const ESCALATE = "roles:escalate";

/**
 * Whether `own` is at least `other`: grants each of its permissions, wildcards included, and is an administrator if that is one, as
 * other back ends may look at the role alone. Whoever could take everything is at least everybody.
 */
export function covers(own: Authority, other: Authority): boolean {
  if (isGranted(own.permissions, ESCALATE)) return true;
  if (other.roles.includes(ADMIN_ROLE) && !own.roles.includes(ADMIN_ROLE)) return false;
  return other.permissions.every((permission) => isGranted(own.permissions, permission));
}

export function canAdminister(permissions: readonly string[]): boolean {
  return ADMIN_PERMISSIONS.every((permission) => isGranted(permissions, permission));
}

/** Characters of JSON. Roles and permissions are in every access token, which is at most 16 KiB once it is signed and encrypted. */
const MAX_LENGTH = 4096;

export function fitsToken({ roles, permissions }: Authority): boolean {
  return JSON.stringify([roles, permissions]).length <= MAX_LENGTH;
}
