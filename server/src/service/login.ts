import { AuthError } from "../domain/errors.ts";
import { type Identifier, parseIdentifier } from "../domain/identifier.ts";
import { isReadablePassword, PASSWORD_MAX_LENGTH } from "../domain/password-policy.ts";
import { addSeconds, secondsUntil } from "../domain/session.ts";
import { type Problems, refuseProblems } from "../domain/validation.ts";
import { type Grant, issueTokens, prepareSession } from "./grant.ts";
import { MFA_METHODS } from "./mfa-ports.ts";
import type { AttemptPermit, Client, Deps } from "./ports.ts";
import { verifyAttempt } from "./verify-attempt.ts";

export type LoginDeps = Pick<
  Deps,
  | "logins"
  | "mfaLogins"
  | "mfaSecrets"
  | "sessions"
  | "hasher"
  | "accessTokens"
  | "refreshTokens"
  | "limits"
  | "clock"
  | "ids"
  | "settings"
>;
export type LoginInput = { identifier: string; password: string; signal?: AbortSignal };

/** What a login with a second factor gets in the place of a session: what `verifyMfa` takes. */
export type Challenge = { challenge: string; expiresInS: number; methods: readonly string[] };

const CHALLENGE_S = 300;

export async function login(deps: LoginDeps, client: Client, input: LoginInput): Promise<Grant | Challenge> {
  const identifier = parseInput(input);
  await deps.limits.spend("login_account", `${identifier.kind}:${identifier.key}`);

  const now = deps.clock.now();
  const attempt = await deps.logins.begin(identifier, now);
  if (attempt.lock === "name") return refuse(deps, { client, identifier, attempt, now });

  const { account } = attempt;
  const { password, signal } = input;
  const matches = await verifyAttempt(deps, { permit: attempt, begunAt: now, password, signal });
  if (!matches || account === undefined || account.disabled || attempt.lock !== undefined) {
    return refuse(deps, { client, identifier, attempt, now });
  }

  const verified = { userId: account.user.id, password, hash: account.passwordHash };
  const login = { userId: account.user.id, identifier };
  if (account.user.mfaEnabled) {
    const { token, hash } = deps.mfaSecrets.newChallenge();
    const challenge = { ...login, hash, client, now, expiresAt: addSeconds(now, CHALLENGE_S) };
    const made = await withHash(deps, verified, (hashes) => deps.mfaLogins.challenge({ ...challenge, ...hashes }));
    if (made === undefined) return refuse(deps, { client, identifier, attempt, now });
    // A right password is no failure, and until the second factor is right it forgives none.
    await deps.logins.takeBack(attempt.countedAt, now);
    return { challenge: token, expiresInS: CHALLENGE_S, methods: MFA_METHODS };
  }

  const { session, refresh } = prepareSession(deps, client, now);
  const opened = await withHash(deps, verified, (hashes) => deps.sessions.open({ ...login, session, ...hashes }));
  if (opened === undefined) return refuse(deps, { client, identifier, attempt, now });

  const tokens = await issueTokens(deps, {
    user: account.user,
    sessionId: session.id,
    authenticatedAt: now,
    refreshToken: refresh.token,
    refreshExpiresAt: session.refreshExpiresAt,
    now,
  });
  return { user: account.user, tokens };
}

type Verified = { userId: string; password: string; hash: string };
type Store = (hashes: { passwordHash: string; upgradedHash: string | undefined }) => Promise<true | undefined>;

/**
 * Stores what a good password leads to, and the password's new hash where the old one is outdated. A login beside this one may
 * have stored that already: what counts is whether the password is right.
 */
async function withHash(deps: LoginDeps, verified: Verified, store: Store): Promise<true | undefined> {
  const { userId, password, hash } = verified;
  const storeWith = async (passwordHash: string) => {
    const upgradedHash = deps.hasher.isOutdated(passwordHash) ? await hashIfFree(deps, password) : undefined;
    return store({ passwordHash, upgradedHash });
  };
  const stored = await storeWith(hash);
  if (stored !== undefined) return stored;
  const latest = await deps.logins.passwordHash(userId);
  if (latest === undefined || latest === hash || !(await deps.hasher.verify(latest, password))) return undefined;
  return storeWith(latest);
}

/** An upgrade can wait for a login that meets a shorter queue. */
async function hashIfFree(deps: LoginDeps, password: string): Promise<string | undefined> {
  try {
    return await deps.hasher.hash(password);
  } catch (error) {
    if (error instanceof AuthError) return undefined;
    throw error;
  }
}

function parseInput(input: LoginInput): Identifier {
  const identifier = parseIdentifier(input.identifier);
  const problems: Problems = [];
  if (identifier === undefined) problems.push({ field: "identifier", problem: "must be an email or a username" });
  if (!isReadablePassword(input.password)) {
    problems.push({ field: "password", problem: `must be text of 1 to ${PASSWORD_MAX_LENGTH} characters` });
  }
  refuseProblems(problems);
  return identifier as Identifier;
}

type Refusal = { client: Client; identifier: Identifier; attempt: AttemptPermit; now: Date };

/** A lock of the account that the name does not share is recorded for operators, and answered like a wrong password. */
async function refuse(deps: LoginDeps, refusal: Refusal): Promise<never> {
  const { client, identifier, attempt, now } = refusal;
  const result = attempt.lock === undefined ? "invalid_credentials" : "account_locked";
  await deps.logins.recordFailure({ client, now, identifier, userId: attempt.account?.user.id, result });
  if (attempt.lock !== "name") throw new AuthError("invalid_credentials");
  throw new AuthError("account_locked", { retryAfterS: secondsUntil(attempt.lockedUntil ?? now, now) });
}
