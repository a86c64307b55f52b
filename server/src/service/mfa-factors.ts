import { AuthError } from "../domain/errors.ts";
import type { FactorRecord } from "./mfa-ports.ts";
import type { Bearer, Client, Deps } from "./ports.ts";
import { beginProof, mfaCaller, NOT_ON, type Prover, readProof, refuseCode } from "./prove-factor.ts";
import { factorContext, readCode, refuseNoCode } from "./read-code.ts";

type Caller = { client: Client; bearer: Bearer };

export type Enrollment = { secret: string; uri: string };

/** The factors that are on, and how many recovery codes are left. */
export function getFactors(
  deps: Pick<Deps, "mfaFactors">,
  bearer: Bearer,
): Promise<{ factors: FactorRecord[]; recoveryCodesLeft: number }> {
  return deps.mfaFactors.list(bearer.user.id);
}

export type EnrollTotpDeps = Pick<Deps, "mfaFactors" | "totp" | "kms" | "ids" | "clock" | "settings">;

/** Offers a secret, which nothing asks for until it is confirmed. */
export async function enrollTotp(deps: EnrollTotpDeps, { client, bearer }: Caller): Promise<Enrollment> {
  const { user } = bearer;
  if (user.mfaEnabled) throw new AuthError("conflict", { message: "The second factor is on: turn it off first." });
  const secret = deps.totp.newSecret();
  const secretWrapped = await deps.kms.wrap(secret, factorContext(user.id));
  const caller = mfaCaller({ client, bearer, now: deps.clock.now() });
  await deps.mfaFactors.enroll(caller, { id: deps.ids.uuid(), secretWrapped });
  const described = deps.totp.describe(secret, { issuer: deps.settings.mfaIssuer, account: user.email });
  secret.fill(0);
  return described;
}

export type ConfirmTotpDeps = Pick<Deps, "mfaFactors" | "mfaSecrets" | "totp" | "kms" | "clock">;

/** Whoever sent the code has been shown the secret: a wrong one is no guess, and is not counted. */
export async function confirmTotp(
  deps: ConfirmTotpDeps,
  { client, bearer }: Caller,
  code: string,
): Promise<{ recoveryCodes: string[]; revokedSessions: number }> {
  refuseNoCode(code);
  const now = deps.clock.now();
  const userId = bearer.user.id;
  const offered = await deps.mfaFactors.find(userId);
  if (offered === undefined) throw new AuthError("conflict", { message: "Ask for a secret first: call EnrollTotp." });
  if (offered.confirmed) throw new AuthError("conflict", { message: "The second factor is on already." });
  const { secretWrapped } = offered;
  const read = await readCode(deps, { userId, secretWrapped, code, now });
  if (typeof read !== "object" || !("step" in read)) throw new AuthError("mfa_invalid");

  const codes = deps.mfaSecrets.newRecoveryCodes();
  const proof = { secretWrapped, step: read.step, recoveryHashes: codes.map(({ hash }) => hash) };
  const revokedSessions = await deps.mfaFactors.confirm(mfaCaller({ client, bearer, now }), proof);
  return { recoveryCodes: codes.map((made) => made.code), revokedSessions };
}

export type DisableTotpDeps = Pick<Deps, "logins" | "limits" | "mfaFactors" | "mfaSecrets" | "totp" | "kms" | "clock">;

export async function disableTotp(deps: DisableTotpDeps, caller: Caller, code: string): Promise<void> {
  const { user } = caller.bearer;
  refuseNoCode(code);
  if (!user.mfaEnabled) throw new AuthError("conflict", { message: NOT_ON });
  await deps.limits.spend("login_account", `user:${user.id}`);
  const prover: Prover = { ...caller, now: deps.clock.now(), type: "mfa.failed" };
  const attempt = await beginProof(deps, prover);
  const spent = await readProof(deps, prover, { attempt, code });
  if (!(await deps.mfaFactors.disable(mfaCaller(prover), spent))) await refuseCode(deps, prover);
}

/** The codes from before are dead when this returns. */
export async function regenerateRecoveryCodes(
  deps: Pick<Deps, "mfaFactors" | "mfaSecrets" | "clock">,
  { client, bearer }: Caller,
): Promise<string[]> {
  const codes = deps.mfaSecrets.newRecoveryCodes();
  const caller = mfaCaller({ client, bearer, now: deps.clock.now() });
  await deps.mfaFactors.replaceRecoveryCodes(
    caller,
    codes.map(({ hash }) => hash),
  );
  return codes.map(({ code }) => code);
}
