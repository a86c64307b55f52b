import { AuthError } from "../domain/errors.ts";
import { isReadablePassword, PASSWORD_MAX_LENGTH } from "../domain/password-policy.ts";
import { type Problems, refuseProblems } from "../domain/validation.ts";
import type { Deps, Unwrapping } from "./ports.ts";
import { openWithPassword, openWithRecovery, type PrivateKeyDeps } from "./private-keys.ts";
import { type ProvePasswordDeps, provePassword } from "./prove-password.ts";
import { refuseTampered, type TamperedDeps } from "./refuse-tampered.ts";
import type { Caller, StoredPrivate } from "./user-data-ports.ts";

export type PrivateDataDeps = PrivateKeyDeps & ProvePasswordDeps & TamperedDeps & Pick<Deps, "randomKey">;
export type Credentials = { password: string; recoverySecret: Buffer | undefined; signal: AbortSignal | undefined };

const LOCKED = "The private data is under an earlier password. Send the recovery key with the present one.";
const WRONG_RECOVERY_KEY = "The recovery key is not that of this private data.";

/** @throws AuthError `validation_failed`. */
export function refuseUnreadablePassword(password: string): void {
  const problems: Problems = [];
  if (!isReadablePassword(password)) {
    problems.push({ field: "password", problem: `must be text of 1 to ${PASSWORD_MAX_LENGTH} characters` });
  }
  refuseProblems(problems);
}

/** The hash of the password, which was the right one. @throws AuthError `invalid_credentials`, `account_locked`. */
export function proveForPrivateData(
  deps: PrivateDataDeps,
  caller: Caller,
  { password, signal }: Pick<Credentials, "password" | "signal">,
): Promise<string> {
  const record = deps.logins.recordUnlockFailure;
  return provePassword(deps, caller, { password, signal, message: "The password is wrong.", record });
}

/**
 * Private data and its key, which is the caller's to clear.
 * @throws AuthError `conflict` when it is not under this password, `invalid_credentials` when not under this recovery key,
 * `internal` when it was tampered with.
 */
export async function openPrivate(
  deps: PrivateDataDeps,
  { client, bearer }: Caller,
  { stored, credentials, remembered }: { stored: StoredPrivate; credentials: Credentials } & Unwrapping,
): Promise<{ key: Buffer; plaintext: Buffer }> {
  const userId = bearer.user.id;
  const reader = { client, actorId: userId, userId };
  const { password, recoverySecret: secret, signal } = credentials;
  const found =
    secret === undefined
      ? await openWithPassword(deps, stored.password, { userId, password, signal, remembered })
      : await openWithRecovery(deps, stored.recovery, { userId, secret });
  if (found.state === "tampered") return refuseTampered(deps, reader, "the key of the private data");
  if (found.state === "locked" && secret === undefined) throw new AuthError("conflict", { message: LOCKED });
  if (found.state === "locked") throw new AuthError("invalid_credentials", { message: WRONG_RECOVERY_KEY });
  const { keyVersion: version, ciphertext } = stored.data;
  const plaintext = deps.dataCipher.open(found.key, ciphertext, { userId, purpose: "data.private", version });
  if (plaintext === undefined) {
    found.key.fill(0);
    return refuseTampered(deps, reader, "the private data");
  }
  return { key: found.key, plaintext };
}
