import type { AdminUser } from "../service/administration-ports.ts";
import { accountSubject } from "./lockouts.ts";
import { ASSIGNED_ROLES, toUser, USER_COLUMNS, type UserRow } from "./user-row.ts";

export type AdminUserRow = UserRow & {
  assigned_roles: string[];
  disabled_at: Date | null;
  locked_until: Date | null;
  email_verified: boolean;
  version: number;
};

/** SQL of whether failed logins lock the account of `users` at that time. */
export function isLocked(now: string): string {
  return `EXISTS (
    SELECT FROM login_lockouts WHERE subject = ${accountSubject("users.id")} AND locked_until > ${now}
  )`;
}

/** The columns of an `AdminUserRow`, where `users` and `grants` are in scope. */
export function adminUserColumns(now: string): string {
  return `${USER_COLUMNS}, users.disabled_at, users.email_verified, users.version,
    ${ASSIGNED_ROLES} AS assigned_roles,
    (SELECT locked_until FROM login_lockouts WHERE subject = ${accountSubject("users.id")} AND locked_until > ${now}) AS locked_until`;
}

export function toAdminUser(row: AdminUserRow): AdminUser {
  return {
    ...toUser(row),
    assignedRoles: row.assigned_roles,
    disabledAt: row.disabled_at ?? undefined,
    lockedUntil: row.locked_until ?? undefined,
    emailVerified: row.email_verified,
    version: row.version,
  };
}
