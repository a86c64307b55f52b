import type { User } from "../domain/user.ts";

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

/** The columns of a `UserRow`, where `users` and `grants` (of `effective_grants`) are in scope. */
export const USER_COLUMNS = `users.id, users.email, users.username, users.mfa_enabled, users.created_at, users.data_public,
  grants.roles, grants.permissions`;

export function toUser(row: UserRow): User {
  return {
    id: row.id,
    email: row.email,
    username: row.username,
    roles: row.roles,
    permissions: row.permissions,
    mfaEnabled: row.mfa_enabled,
    createdAt: row.created_at,
    dataPublic: row.data_public,
  };
}
