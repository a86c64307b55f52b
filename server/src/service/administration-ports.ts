import type { Authority } from "../domain/authority.ts";
import type { Role, RoleContent } from "../domain/role.ts";
import type { User } from "../domain/user.ts";
import type { Bearer, Client, NewUser } from "./ports.ts";

/** A user, as an administrator sees one. */
export type AdminUser = User & {
  /** The roles that were assigned to the user itself, sorted. */
  assignedRoles: string[];
  disabledAt: Date | undefined;
  /** Until when failed logins lock the account; undefined when they do not. */
  lockedUntil: Date | undefined;
  emailVerified: boolean;
  version: number;
};

/** Who acts: the bearer of a token, or, without one, an operator at the command line. */
export type AdminCaller = { client: Client; bearer: Bearer | undefined };

export type UserFilter = {
  /** What the email or the username begins with, in canonical form. */
  prefix?: string | undefined;
  role?: string | undefined;
  disabled?: boolean | undefined;
  locked?: boolean | undefined;
  mfa?: boolean | undefined;
};
/** Where a page begins: behind the user of that id, created at that microsecond since 1970. */
export type UserPosition = { createdMicros: string; id: string };
export type ListedUser = { user: AdminUser; position: UserPosition };

export type UserChange = {
  email: string | undefined;
  username: string | undefined;
  passwordHash: string | undefined;
  disabled: boolean | undefined;
  dataPublic: Record<string, unknown> | undefined;
};

export type AdminEvent =
  | "user.created"
  | "user.updated"
  | "user.disabled"
  | "user.enabled"
  | "user.deleted"
  | "user.sessions_revoked"
  | "role.created"
  | "role.updated"
  | "role.deleted"
  | "role.assigned"
  | "role.revoked";

/** One act of an administrator: what it does commits together with its records, or not at all. */
export type Act = {
  /** What the caller may do at this moment, which no other act can change meanwhile. */
  authority: Authority;
  now: Date;
  /** Nobody else changes the user until the act is over. */
  findUser(id: string): Promise<AdminUser | undefined>;
  /** @throws AuthError `already_exists` */
  createUser(user: NewUser, roles: string[]): Promise<void>;
  /** @throws AuthError `already_exists` */
  updateUser(id: string, change: UserChange): Promise<void>;
  removeFactors(userId: string): Promise<void>;
  forgiveFailures(userId: string): Promise<void>;
  /** Returns how many were alive. */
  endSessions(userId: string, reason: string): Promise<number>;
  deleteUser(id: string): Promise<void>;
  /** Whether anybody holds the role `admin`, by inheritance or not, disabled or not. */
  hasAdmin(): Promise<boolean>;

  findRole(name: string): Promise<Role | undefined>;
  /** Those of the names that no role has. */
  missingRoles(names: string[]): Promise<string[]>;
  /** @throws AuthError `already_exists` */
  createRole(name: string, content: RoleContent): Promise<void>;
  updateRole(name: string, change: Partial<RoleContent>): Promise<void>;
  /** The roles that inherit from it, by name. */
  heirsOf(name: string): Promise<string[]>;
  deleteRole(name: string): Promise<void>;
  /** Whether a role is its own ancestor. */
  isCyclic(name: string): Promise<boolean>;
  /** The longest of what the role, those below it and users who hold any of them come to; of very many users some are looked at. */
  largestGrants(role: string): Promise<Authority>;
  /** Whether the user did not have it. */
  assignRole(userId: string, role: string): Promise<boolean>;
  /** Whether the user had it. */
  revokeRole(userId: string, role: string): Promise<boolean>;

  record(event: { type: AdminEvent; subjectId?: string; detail?: Record<string, unknown> }): Promise<void>;
};

export type Administration = {
  listUsers(page: {
    filter: UserFilter;
    now: Date;
    limit: number;
    after: UserPosition | undefined;
  }): Promise<ListedUser[]>;
  findUser(id: string, now: Date): Promise<AdminUser | undefined>;
  /** By name, behind that one. */
  listRoles(page: { limit: number; after: string | undefined }): Promise<Role[]>;
  findRole(name: string): Promise<Role | undefined>;
  /** The id of the user of that email or username, in canonical form. */
  findUserId(name: string): Promise<string | undefined>;
  /**
   * Runs one act. All acts wait for one another, so that what one has looked at stays so until it commits.
   * @throws AuthError `token_revoked` when the caller's session is over at that moment, `forbidden` when the caller does not have
   * the permission any more, `conflict` when nobody would be left who administers the service.
   */
  act<T>(caller: AdminCaller, options: { permission: string; now: Date }, task: (act: Act) => Promise<T>): Promise<T>;
};
