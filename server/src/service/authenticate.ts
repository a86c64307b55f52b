import { AuthError } from "../domain/errors.ts";
import type { User } from "../domain/user.ts";
import { userOf } from "./grants.ts";
import type { Bearer, Deps } from "./ports.ts";
import type { AccessClaims } from "./token-ports.ts";

export type AuthenticateDeps = Pick<Deps, "accessTokens" | "sessions" | "grants" | "clock">;

/**
 * Who holds this access token. The session is read from the database each time: a revoked token is dead on every replica at
 * once, and a session that the database does not know is no session. A token that says of its user what is no longer so is over, as
 * others read what it says; a refresh brings one that is right.
 */
export async function authenticate(deps: AuthenticateDeps, token: string): Promise<Bearer> {
  const claims = await deps.accessTokens.verify(token);
  const found = await deps.sessions.findBearer(claims, deps.clock.now());
  if (found === undefined) throw new AuthError("token_revoked");
  const { authenticatedAt, sessionEndsAt } = found;
  const user = await userOf(deps, found);
  if (!isTrue(claims, user)) throw new AuthError("token_expired", { message: CHANGED });
  // Who remembers the answer must not remember it for longer than the session lives.
  const expiresAt = new Date(Math.min(sessionEndsAt.getTime(), claims.expiresAt.getTime()));
  return { user, sessionId: claims.sessionId, jti: claims.jti, authenticatedAt, expiresAt };
}

const CHANGED = "What the access token says of its user has changed. Refresh it.";

function isTrue(claims: AccessClaims, user: User): boolean {
  const { username, roles, permissions } = user;
  return claims.username === username && isSame(claims.roles, roles) && isSame(claims.permissions, permissions);
}

/** Both are sorted by the database. */
function isSame(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((text, index) => text === others[index]);
}
