import { canonicalEmail } from "../domain/email.ts";
import { AuthError } from "../domain/errors.ts";
import { passwordProblem, passwordWeakness } from "../domain/password-policy.ts";
import { parseUsername, USERNAME_RULE } from "../domain/username.ts";
import { type Problems, refuseProblems } from "../domain/validation.ts";
import { type Grant, issueTokens, prepareSession } from "./grant.ts";
import type { Client, Deps } from "./ports.ts";

export type RegisterDeps = Pick<
  Deps,
  "accounts" | "hasher" | "passwordPolicy" | "accessTokens" | "refreshTokens" | "clock" | "ids" | "settings"
>;
export type RegisterInput = {
  email: string;
  username: string;
  password: string;
  dataPublic: Record<string, unknown>;
  signal?: AbortSignal;
};

export async function register(deps: RegisterDeps, client: Client, input: RegisterInput): Promise<Grant> {
  const { email, username } = parseNames(input);
  const weakness = passwordWeakness(deps.passwordPolicy, input.password, { email, username });
  if (weakness !== undefined) throw new AuthError("weak_password", { message: weakness });

  const passwordHash = await deps.hasher.hash(input.password, input.signal);
  const now = deps.clock.now();
  const { session, refresh } = prepareSession(deps, client, now);
  const user = await deps.accounts.register(
    { id: deps.ids.uuid(), email, username, passwordHash, dataPublic: input.dataPublic },
    session,
  );
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

function parseNames(input: RegisterInput): { email: string; username: string } {
  const email = canonicalEmail(input.email);
  const username = parseUsername(input.username);
  const problems: Problems = [];
  if (email === undefined)
    problems.push({ field: "email", problem: "must be an email address of at most 254 characters" });
  if (username === undefined) problems.push({ field: "username", problem: USERNAME_RULE });
  const problem = passwordProblem(input.password);
  if (problem !== undefined) problems.push({ field: "password", problem });
  refuseProblems(problems);
  return { email: email as string, username: username as string };
}
