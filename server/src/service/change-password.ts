import { AuthError } from "../domain/errors.ts";
import {
  isReadablePassword,
  normalizePassword,
  PASSWORD_MAX_LENGTH,
  passwordProblem,
  passwordWeakness,
} from "../domain/password-policy.ts";
import { type Problems, refuseProblems } from "../domain/validation.ts";
import { type MovePrivateKeyDeps, movePrivateKey } from "./move-private-key.ts";
import type { Bearer, Client, Deps } from "./ports.ts";
import { type ProvePasswordDeps, provePassword } from "./prove-password.ts";

export type ChangePasswordDeps = Pick<Deps, "accounts" | "passwordPolicy"> & ProvePasswordDeps & MovePrivateKeyDeps;
export type ChangePasswordInput = { currentPassword: string; newPassword: string; signal?: AbortSignal };

/**
 * Returns how many other sessions were ended. Guesses of the current password count like failed logins. Private data opens with the
 * new password from the moment that counts, and with the old one until then.
 */
export async function changePassword(
  deps: ChangePasswordDeps,
  caller: { client: Client; bearer: Bearer },
  input: ChangePasswordInput,
): Promise<number> {
  const { client, bearer } = caller;
  refuseUnreadable(input);
  const weakness = passwordWeakness(deps.passwordPolicy, input.newPassword, bearer.user);
  if (weakness !== undefined) throw new AuthError("weak_password", { message: weakness });

  const oldHash = await provePassword(deps, caller, {
    password: input.currentPassword,
    signal: input.signal,
    message: "The current password is wrong.",
    record: deps.logins.recordChangeFailure,
  });
  if (normalizePassword(input.newPassword) === normalizePassword(input.currentPassword)) {
    throw new AuthError("weak_password", { message: "The new password must differ from the current one." });
  }
  const privateKey = await movePrivateKey(deps, caller, input);
  const newHash = await deps.hasher.hash(input.newPassword, input.signal);
  return deps.accounts.changePassword({
    userId: bearer.user.id,
    sessionId: bearer.sessionId,
    oldHash,
    newHash,
    privateKey,
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
