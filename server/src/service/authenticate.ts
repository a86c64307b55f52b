import { AuthError } from "../domain/errors.ts";
import type { Bearer, Deps } from "./ports.ts";

export type AuthenticateDeps = Pick<Deps, "accessTokens" | "sessions" | "clock">;

/**
 * Who holds this access token. The session is read from the database each time: a revoked token is dead on every replica at
 * once, and a session that the database does not know is no session.
 */
export async function authenticate(deps: AuthenticateDeps, token: string): Promise<Bearer> {
  const claims = await deps.accessTokens.verify(token);
  const found = await deps.sessions.findBearer(claims, deps.clock.now());
  if (found === undefined) throw new AuthError("token_revoked");
  const { user, authenticatedAt, sessionEndsAt } = found;
  // Who remembers the answer must not remember it for longer than the session lives.
  const expiresAt = new Date(Math.min(sessionEndsAt.getTime(), claims.expiresAt.getTime()));
  return { user, sessionId: claims.sessionId, jti: claims.jti, authenticatedAt, expiresAt };
}
