import { LRUCache } from "lru-cache";
import type { User } from "../domain/user.ts";

/** What roles come to: those above them included, both sorted. */
export type Grants = { roles: string[]; permissions: string[] };

/**
 * The roles that were assigned to a user, and the key of what roles came to in the moment they were read. The key is another one after
 * each change of any role.
 */
export type AssignedRoles = { names: string[]; key: Buffer };

/** A user, and what it holds instead of what that comes to. */
export type Holder = { account: Omit<User, "roles" | "permissions">; assigned: AssignedRoles };

/** The whole user. @throws AuthError `unavailable` */
export async function userOf(deps: { grants: GrantsOf }, { account, assigned }: Holder): Promise<User> {
  return { ...account, ...(await deps.grants(assigned)) };
}

/** What they come to, in that moment or in a later one. @throws AuthError `unavailable` */
export type GrantsOf = (assigned: AssignedRoles) => Promise<Grants>;

export type GrantsSource = {
  /** What roles come to now, and the key of this moment. */
  load(names: string[]): Promise<{ grants: Grants; key: Buffer }>;
};

/** What all replicas remember together. It may forget or fail at any time, and then says nothing. */
export type SharedGrants = {
  get(id: string): Promise<string | undefined>;
  set(id: string, sealed: string, ttlS: number): Promise<void>;
};

/** Writes what roles come to so that nobody without their key finds it, and nobody can put anything else in its place. */
export type GrantsSeal = {
  id(assigned: AssignedRoles): string;
  seal(assigned: AssignedRoles, grants: Grants): string;
  /** Undefined for whatever was not sealed for these roles under this key. */
  open(assigned: AssignedRoles, sealed: string): Grants | undefined;
};

const TTL_S = 300;
const MAX_REMEMBERED = 10_000;

/**
 * Remembers what sets of roles come to, in this process and beside it, for five minutes. It cannot be late: whoever asks has read the
 * key from the database in the same call, and under the key of after a change there is nothing of before it.
 */
export function createGrants(deps: {
  source: GrantsSource;
  shared: SharedGrants | undefined;
  seal: GrantsSeal;
}): GrantsOf {
  const { source, shared, seal } = deps;
  const own = new LRUCache<string, Grants>({ max: MAX_REMEMBERED, ttl: TTL_S * 1000 });

  function remember(assigned: AssignedRoles, { roles, permissions }: Grants): Grants {
    // One object serves many calls.
    const grants = Object.freeze({ roles, permissions });
    Object.freeze(roles);
    Object.freeze(permissions);
    own.set(nameOf(assigned), grants);
    return grants;
  }

  return async (assigned) => {
    const remembered = own.get(nameOf(assigned));
    if (remembered !== undefined) return remembered;
    const sealed = await shared?.get(seal.id(assigned));
    const found = sealed === undefined ? undefined : seal.open(assigned, sealed);
    if (found !== undefined) return remember(assigned, found);
    const { grants, key } = await source.load(assigned.names);
    const current = { names: assigned.names, key };
    await shared?.set(seal.id(current), seal.seal(current, grants), TTL_S);
    return remember(current, grants);
  };
}

/** No role has a comma or a space in its name. */
function nameOf({ names, key }: AssignedRoles): string {
  return `${key.toString("latin1")} ${names.join(",")}`;
}
