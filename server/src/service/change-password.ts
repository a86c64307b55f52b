import { AuthError } from "../domain/errors.ts";
import {
  isReadablePassword,
  normalizePassword,
  PASSWORD_MAX_LENGTH,
  passwordProblem,
  passwordWeakness,
} from "../domain/password-policy.ts";
import { secondsUntil } from "../domain/session.ts";
import { type Problems, refuseProblems } from "../domain/validation.ts";
import type { Bearer, Client, Deps } from "./ports.ts";
import { verifyAttempt } from "./verify-attempt.ts";

export type ChangePasswordDeps = Pick<Deps, "accounts" | "logins" | "hasher" | "passwordPolicy" | "limits" | "clock">;
export type ChangePasswordInput = { currentPassword: string; newPassword: string; signal?: AbortSignal };

/** Returns how many other sessions were ended. Guesses of the current password count like failed logins. */
export async function changePassword(
  deps: ChangePasswordDeps,
  caller: { client: Client; bearer: Bearer },
  input: ChangePasswordInput,
): Promise<number> {
  const { client, bearer } = caller;
  refuseUnreadable(input);
  const weakness = passwordWeakness(deps.passwordPolicy, input.newPassword, bearer.user);
  if (weakness !== undefined) throw new AuthError("weak_password", { message: weakness });
  await deps.limits.spend("login_account", `username:${bearer.user.username.toLowerCase()}`);

  const now = deps.clock.now();
  const attempt = await deps.logins.beginFor(bearer.user.id, now);
  const oldHash = attempt.account?.passwordHash;
  const failure = { client, now, user: bearer.user, sessionId: bearer.sessionId };
  if (attempt.lock !== undefined) {
    await deps.logins.recordChangeFailure({ ...failure, result: "account_locked" });
    throw new AuthError("account_locked", { retryAfterS: secondsUntil(attempt.lockedUntil ?? now, now) });
  }
  const { currentPassword: password, signal } = input;
  const matches = await verifyAttempt(deps, { permit: attempt, begunAt: now, password, signal });
  if (!matches || oldHash === undefined) {
    await deps.logins.recordChangeFailure({ ...failure, result: "invalid_credentials" });
    throw new AuthError("invalid_credentials", { message: "The current password is wrong." });
  }
  if (normalizePassword(input.newPassword) === normalizePassword(password)) {
    throw new AuthError("weak_password", { message: "The new password must differ from the current one." });
  }
  const newHash = await deps.hasher.hash(input.newPassword, input.signal);
  return deps.accounts.changePassword({
    userId: bearer.user.id,
    sessionId: bearer.sessionId,
    oldHash,
    newHash,
    client,
    now: deps.clock.now(),
  });
}

function refuseUnreadable(input: ChangePasswordInput): void {
  const problems: Problems = [];
  if (!isReadablePassword(input.currentPassword)) {
    problems.push({ field: "current_password", problem: `must be text of 1 to ${PASSWORD_MAX_LENGTH} characters` });
  }
  const problem = passwordProblem(input.newPassword);
  if (problem !== undefined) problems.push({ field: "new_password", problem });
  refuseProblems(problems);
}
