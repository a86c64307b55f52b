import { AuthError } from "../domain/errors.ts";
import { secondsUntil } from "../domain/session.ts";
import type { CallerFailure, Deps } from "./ports.ts";
import { requireRecentAuthentication } from "./recent-authentication.ts";
import type { Caller } from "./user-data-ports.ts";
import { verifyAttempt } from "./verify-attempt.ts";

export type ProvePasswordDeps = Pick<Deps, "logins" | "hasher" | "limits" | "clock" | "settings">;
export type Proof = {
  password: string;
  signal: AbortSignal | undefined;
  /** What the caller is told of a wrong password. */
  message: string;
  record(failure: CallerFailure): Promise<void>;
};

/**
 * Asks somebody who is logged in for the password again. A wrong one counts like a failed login, and the right one does not undo
 * what was counted before it: that is for whoever opens a session or changes the password. Returns the hash that the password
 * was verified against: what is written next must find it unchanged. Whoever has a second factor has to have shown it lately: the
 * password alone is not to rob anybody who has one.
 * @throws AuthError `reauthentication_required`, `invalid_credentials`, `account_locked`.
 */
export async function provePassword(deps: ProvePasswordDeps, caller: Caller, proof: Proof): Promise<string> {
  const { client, bearer } = caller;
  if (bearer.user.mfaEnabled) requireRecentAuthentication(deps, bearer);
  await deps.limits.spend("login_account", `user:${bearer.user.id}`);

  const now = deps.clock.now();
  const attempt = await deps.logins.beginFor(bearer.user.id, now);
  const hash = attempt.account?.passwordHash;
  const failure = { client, now, user: bearer.user, sessionId: bearer.sessionId };
  if (attempt.lock !== undefined) {
    await proof.record({ ...failure, result: "account_locked" });
    throw new AuthError("account_locked", { retryAfterS: secondsUntil(attempt.lockedUntil ?? now, now) });
  }
  const { password, signal } = proof;
  const matches = await verifyAttempt(deps, { permit: attempt, begunAt: now, password, signal });
  if (!matches || hash === undefined) {
    await proof.record({ ...failure, result: "invalid_credentials" });
    throw new AuthError("invalid_credentials", { message: proof.message });
  }
  await deps.logins.takeBack(attempt.countedAt, now);
  return hash;
}
