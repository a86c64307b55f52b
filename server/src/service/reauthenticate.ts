import { AuthError } from "../domain/errors.ts";
import { isReadablePassword, PASSWORD_MAX_LENGTH } from "../domain/password-policy.ts";
import { refuseProblems } from "../domain/validation.ts";
import type { Bearer, Client, Deps } from "./ports.ts";
import { beginProof, mfaCaller, type Prover, readProof, recordFailure, refuseCode } from "./prove-factor.ts";
import { refuseNoCode } from "./read-code.ts";
import { verifyAttempt } from "./verify-attempt.ts";

export type ReauthenticateDeps = Pick<
  Deps,
  "logins" | "hasher" | "limits" | "mfaFactors" | "mfaSecrets" | "totp" | "kms" | "accessTokens" | "clock" | "settings"
>;
export type ReauthenticateInput = { password: string; code: string; signal?: AbortSignal };

const CHANGED = "The password or the second factor was changed meanwhile. Try again.";

/** A fresh access token of the caller's session, which is marked as proven now. */
export async function reauthenticate(
  deps: ReauthenticateDeps,
  caller: { client: Client; bearer: Bearer },
  input: ReauthenticateInput,
): Promise<{ accessToken: string; expiresInS: number }> {
  const { bearer } = caller;
  const { password, code, signal } = input;
  if (!isReadablePassword(password)) {
    refuseProblems([{ field: "password", problem: `must be text of 1 to ${PASSWORD_MAX_LENGTH} characters` }]);
  }
  if (bearer.user.mfaEnabled) refuseNoCode(code);
  await deps.limits.spend("login_account", `user:${bearer.user.id}`);

  const now = deps.clock.now();
  const prover: Prover = { ...caller, now, type: "reauthentication.failed" };
  const attempt = await beginProof(deps, prover);
  const matches = await verifyAttempt(deps, { permit: attempt, begunAt: now, password, signal });
  const passwordHash = attempt.account?.passwordHash;
  if (!matches || passwordHash === undefined) {
    await recordFailure(deps, prover, "invalid_credentials");
    throw new AuthError("invalid_credentials", { message: "The password is wrong." });
  }
  const spent = bearer.user.mfaEnabled ? await readProof(deps, prover, { attempt, code }) : undefined;
  const proven = await deps.mfaFactors.reauthenticate(mfaCaller(prover), { passwordHash, code: spent });
  if (!proven && spent === undefined) {
    await deps.logins.takeBack(attempt.countedAt, now);
    throw new AuthError("conflict", { message: CHANGED });
  }
  if (!proven) return refuseCode(deps, prover);

  const session = { id: bearer.sessionId, authenticatedAt: now };
  const accessToken = await deps.accessTokens.issue(bearer.user, session);
  return { accessToken, expiresInS: deps.settings.accessTtlS };
}
