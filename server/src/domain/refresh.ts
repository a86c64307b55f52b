/** What the database knows of a refresh token that could not be rotated. */
export type RefreshState = {
  usedAt: Date | null;
  expiresAt: Date;
  /** Whether the token that replaced it was itself used. Null before its use. */
  successorUsed: boolean | null;
  sessionRevokedAt: Date | null;
  sessionExpiresAt: Date;
  userDisabled: boolean;
};

export type RefreshDecision = "refresh_invalid" | "refresh_expired" | "refresh_reused" | "retry";

/**
 * Decides about a refresh token that was not rotated. The order is the policy: a session that is over says nothing of its
 * tokens, a used token is judged before its age, and only a retry within the grace whose successor is unused is forgiven.
 */
export function decideRefresh(state: RefreshState | undefined, now: Date, retryGraceS: number): RefreshDecision {
  if (state === undefined || state.sessionRevokedAt !== null || state.userDisabled) return "refresh_invalid";
  if (state.usedAt === null) return "refresh_expired";
  if (state.sessionExpiresAt <= now) return "refresh_expired";
  const age = now.getTime() - state.usedAt.getTime();
  if (retryGraceS > 0 && age <= retryGraceS * 1000 && state.successorUsed === false) return "retry";
  return "refresh_reused";
}
