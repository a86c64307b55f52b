/** SQL of when a session ends unless it is prolonged, where `sessions` is in scope. `least` passes over a null. */
export const SESSION_END = "least(sessions.expires_at, sessions.ends_at)";

/** SQL of whether a session is alive at that time. Whether its user is disabled is another question. */
export function isAlive(now: string): string {
  return `(sessions.revoked_at IS NULL AND ${SESSION_END} > ${now})`;
}

/** SQL of when the user of a session last proved who it is: at login, unless it was asked again since. */
export const AUTHENTICATED_AT = "coalesce(sessions.authenticated_at, sessions.created_at)";
