import { AuthError } from "../domain/errors.ts";
import { type Identifier, parseIdentifier } from "../domain/identifier.ts";
import { isReadablePassword, PASSWORD_MAX_LENGTH } from "../domain/password-policy.ts";
import { secondsUntil } from "../domain/session.ts";
import { type Problems, refuseProblems } from "../domain/validation.ts";
import { type Grant, issueTokens, prepareSession } from "./grant.ts";
import type { AttemptPermit, Client, Deps } from "./ports.ts";
import { verifyAttempt } from "./verify-attempt.ts";

export type LoginDeps = Pick<
  Deps,
  "logins" | "sessions" | "hasher" | "accessTokens" | "refreshTokens" | "limits" | "clock" | "ids" | "settings"
>;
export type LoginInput = { identifier: string; password: string; signal?: AbortSignal };

export async function login(deps: LoginDeps, client: Client, input: LoginInput): Promise<Grant> {
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

  const { session, refresh } = prepareSession(deps, client, now);
  const opening = { session, userId: account.user.id, identifier };
  const opened =
    (await openWith(deps, opening, { password, hash: account.passwordHash })) ??
    (await openWithNewHash(deps, opening, { password, hash: account.passwordHash }));
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

type Opening = Omit<Parameters<LoginDeps["sessions"]["open"]>[0], "passwordHash" | "upgradedHash">;
type Verified = { password: string; hash: string };

async function openWith(deps: LoginDeps, opening: Opening, { password, hash }: Verified): Promise<true | undefined> {
  const upgradedHash = deps.hasher.isOutdated(hash) ? await hashIfFree(deps, password) : undefined;
  return deps.sessions.open({ ...opening, passwordHash: hash, upgradedHash });
}

/** A login beside this one may have stored the same password's new hash: what counts is whether the password is right. */
async function openWithNewHash(
  deps: LoginDeps,
  opening: Opening,
  { password, hash }: Verified,
): Promise<true | undefined> {
  const latest = await deps.logins.passwordHash(opening.userId);
  if (latest === undefined || latest === hash || !(await deps.hasher.verify(latest, password))) return undefined;
  return openWith(deps, opening, { password, hash: latest });
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
