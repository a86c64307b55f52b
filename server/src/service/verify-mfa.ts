import { AuthError } from "../domain/errors.ts";
import { secondsUntil } from "../domain/session.ts";
import { refuseProblems } from "../domain/validation.ts";
import { type Grant, issueTokens, prepareSession } from "./grant.ts";
import type { ChallengeTry, MfaFailureResult } from "./mfa-ports.ts";
import type { Client, Deps } from "./ports.ts";
import { type ReadCode, readCode, refuseNoCode } from "./read-code.ts";

export type VerifyMfaDeps = Pick<
  Deps,
  | "mfaLogins"
  | "mfaSecrets"
  | "mfaDecoy"
  | "totp"
  | "kms"
  | "accessTokens"
  | "refreshTokens"
  | "clock"
  | "ids"
  | "settings"
>;
export type VerifyMfaInput = { challenge: string; code: string };

const MAX_CHALLENGE_LENGTH = 256;

/** The second half of a login. A challenge that nobody has is tried like one that somebody has: same answer, same work. */
export async function verifyMfa(deps: VerifyMfaDeps, client: Client, input: VerifyMfaInput): Promise<Grant> {
  refuseNoChallenge(input.challenge);
  refuseNoCode(input.code);

  const now = deps.clock.now();
  const hash = deps.mfaSecrets.challengeHash(input.challenge);
  const recoveryHash = deps.mfaSecrets.recoveryCodeHash(input.code);
  const attempt = await deps.mfaLogins.begin({ hash, recoveryHash, client, now });
  const failed = { client, now, hash, attempt };
  if (attempt.locked) return refuse(deps, { ...failed, result: "account_locked" });

  const code = await readOrTakeBack(deps, { hash, attempt, now, code: input.code });
  if (code === "unreadable" && attempt.live) return refuse(deps, { ...failed, result: "factor_unreadable" });
  if (code === "wrong" || code === "unreadable") return refuse(deps, { ...failed, result: "mfa_invalid" });

  const { session, refresh } = prepareSession(deps, client, now);
  const user = await deps.mfaLogins.open({ hash, session, code });
  if (user === undefined) return refuse(deps, { ...failed, result: "mfa_invalid" });
  const tokens = await issueTokens(deps, {
    user,
    sessionId: session.id,
    authenticatedAt: now,
    refreshToken: refresh.token,
    refreshExpiresAt: session.refreshExpiresAt,
    now,
  });
  return { user, tokens };
}

type Tried = { hash: Buffer; attempt: ChallengeTry; now: Date; code: string };

/** A code that could not be looked at, because the KMS does not answer, is no guess. */
async function readOrTakeBack(deps: VerifyMfaDeps, { hash, attempt, now, code }: Tried): Promise<ReadCode> {
  try {
    const { userId, secretWrapped } = attempt;
    const factor =
      userId === undefined || secretWrapped === undefined ? await deps.mfaDecoy() : { userId, secretWrapped };
    const read = await readCode(deps, { ...factor, code, now });
    // A wrong one does not come as far as the statement that opens the session, whose locks take time.
    return typeof read === "object" && "recoveryHash" in read && !attempt.recoveryKnown ? "wrong" : read;
  } catch (error) {
    await deps.mfaLogins.takeBack({ hash, countedAt: attempt.countedAt, begunAt: now }).catch(() => undefined);
    throw error;
  }
}

type Refusal = Omit<Tried, "code"> & { client: Client; result: MfaFailureResult };

/** A lock is told to who has a living challenge: that is who knew the password. */
async function refuse(deps: VerifyMfaDeps, { client, now, hash, attempt, result }: Refusal): Promise<never> {
  await deps.mfaLogins.recordFailure({ client, now, challengeHash: hash, attempt, result });
  if (result !== "account_locked") throw new AuthError("mfa_invalid");
  throw new AuthError("account_locked", { retryAfterS: secondsUntil(attempt.lockedUntil ?? now, now) });
}

function refuseNoChallenge(challenge: string): void {
  if (challenge !== "" && challenge.length <= MAX_CHALLENGE_LENGTH) return;
  refuseProblems([{ field: "mfa_challenge", problem: "must be the mfa_challenge of a login" }]);
}
