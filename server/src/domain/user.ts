/** A user as services see one. */
export type User = {
  id: string;
  email: string;
  username: string;
  /** Names of roles, inherited ones included, sorted. */
  roles: string[];
  /** `resource:action`, sorted. */
  permissions: string[];
  mfaEnabled: boolean;
  createdAt: Date;
  /** JSON of `userdata.v1.PublicData`. */
  dataPublic: Record<string, unknown>;
};

/** Who holds this role administers the service. */
export const ADMIN_ROLE = "admin";

/** What every account that registers holds. */
export const DEFAULT_ROLE = "user";
