import type { User } from "../domain/user.ts";
import type { Holder } from "../service/grants.ts";

export type UserRow = {
  id: string;
  email: string;
  username: string;
  mfa_enabled: boolean;
  created_at: Date;
  data_public: Record<string, unknown>;
  roles: string[];
  permissions: string[];
};

/** Without what the user may do. */
export type AccountRow = Omit<UserRow, "roles" | "permissions">;

/** The columns of an `AccountRow`, where `users` is in scope. */
export const ACCOUNT_COLUMNS =
  "users.id, users.email, users.username, users.mfa_enabled, users.created_at, users.data_public";

/** SQL of the roles that were assigned to a user itself, sorted, where `users` is in scope. */
export const ASSIGNED_ROLES = "ARRAY(SELECT role FROM user_roles WHERE user_roles.user_id = users.id ORDER BY role)";

/** An account with its assigned roles, and the key of what roles come to at the moment of the statement. */
export type HolderRow = AccountRow & { assigned_roles: string[]; grants_key: Buffer };

/** The columns of a `HolderRow`, where `users` is in scope. */
export const HOLDER_COLUMNS = `${ACCOUNT_COLUMNS}, ${ASSIGNED_ROLES} AS assigned_roles, (SELECT key FROM grants_key) AS grants_key`;

export function toHolder(row: HolderRow): Holder {
  return { account: toAccount(row), assigned: { names: row.assigned_roles, key: row.grants_key } };
}

/** The columns of a `UserRow`, where `users` and `grants` (of `effective_grants`) are in scope. */
export const USER_COLUMNS = `${ACCOUNT_COLUMNS}, grants.roles, grants.permissions`;

export function toUser(row: UserRow): User {
  return { ...toAccount(row), roles: row.roles, permissions: row.permissions };
}

export function toAccount(row: AccountRow): Omit<User, "roles" | "permissions"> {
  return {
    id: row.id,
    email: row.email,
    username: row.username,
    mfaEnabled: row.mfa_enabled,
    createdAt: row.created_at,
    dataPublic: row.data_public,
  };
}
