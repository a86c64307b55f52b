import { AuthError } from "../domain/errors.ts";
import { secondsUntil } from "../domain/session.ts";
import type { MfaCaller, SpentCode } from "./mfa-ports.ts";
import type { AttemptPermit, Bearer, Client, Deps } from "./ports.ts";
import { readCode } from "./read-code.ts";

type ProofDeps = Pick<Deps, "logins" | "mfaFactors" | "mfaSecrets" | "totp" | "kms">;
type FailureType = Parameters<Deps["mfaFactors"]["recordFailure"]>[1]["type"];

/** Somebody who is logged in and proves something again. Guesses count like failed logins. */
export type Prover = { client: Client; bearer: Bearer; now: Date; type: FailureType };

export function mfaCaller({ client, bearer, now }: Omit<Prover, "type">): MfaCaller {
  return { userId: bearer.user.id, sessionId: bearer.sessionId, client, now };
}

/** Counts the attempt. @throws AuthError `account_locked`. */
export async function beginProof(deps: ProofDeps, prover: Prover): Promise<AttemptPermit> {
  const { now } = prover;
  const attempt = await deps.logins.beginFor(prover.bearer.user.id, now);
  if (attempt.lock === undefined) return attempt;
  await recordFailure(deps, prover, "account_locked");
  throw new AuthError("account_locked", { retryAfterS: secondsUntil(attempt.lockedUntil ?? now, now) });
}

/** What the code of an attempt that was counted would use up. @throws AuthError `mfa_invalid`, `conflict`, `unavailable`. */
export async function readProof(
  deps: ProofDeps,
  prover: Prover,
  { attempt, code }: { attempt: AttemptPermit; code: string },
): Promise<SpentCode> {
  const { now, bearer } = prover;
  try {
    const factor = await deps.mfaFactors.find(bearer.user.id);
    if (factor?.confirmed !== true) throw new AuthError("conflict", { message: NOT_ON });
    const { secretWrapped } = factor;
    const read = await readCode(deps, { userId: bearer.user.id, secretWrapped, code, now });
    if (typeof read === "object") return read;
    return await refuseCode(deps, prover, read === "unreadable" ? "factor_unreadable" : "mfa_invalid");
  } catch (error) {
    const isGuess = error instanceof AuthError && error.reason === "mfa_invalid";
    if (!isGuess) await deps.logins.takeBack(attempt.countedAt, now).catch(() => undefined);
    throw error;
  }
}

export const NOT_ON = "The second factor is not on.";

export async function refuseCode(deps: ProofDeps, prover: Prover, result = "mfa_invalid"): Promise<never> {
  await recordFailure(deps, prover, result);
  throw new AuthError("mfa_invalid");
}

export function recordFailure(deps: Pick<Deps, "mfaFactors">, prover: Prover, result: string): Promise<void> {
  const { type, bearer } = prover;
  return deps.mfaFactors.recordFailure(mfaCaller(prover), { type, email: bearer.user.email, result });
}
