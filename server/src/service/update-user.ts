import { canonicalEmail } from "../domain/email.ts";
import { AuthError } from "../domain/errors.ts";
import { passwordProblem } from "../domain/password-policy.ts";
import { parseUsername, USERNAME_RULE } from "../domain/username.ts";
import { type Problems, refuseProblems } from "../domain/validation.ts";
import { findSubject, orNoUser, readUserId, refuseStale } from "./administration.ts";
import type { Act, AdminCaller, AdminUser, UserChange } from "./administration-ports.ts";
import { type CreateUserDeps, EMAIL_RULE, hashNew } from "./create-user.ts";
import { type RecentAuthenticationDeps, requireRecentAuthentication } from "./recent-authentication.ts";

export type UpdateUserDeps = Omit<CreateUserDeps, "ids"> & RecentAuthenticationDeps;
/** What is undefined stays as it is. */
export type UpdateUserInput = {
  userId: string;
  email: string | undefined;
  username: string | undefined;
  password: string | undefined;
  disabled: boolean | undefined;
  dataPublic: Record<string, unknown> | undefined;
  resetMfa: boolean;
  expectedVersion: number | undefined;
  signal?: AbortSignal;
};

/**
 * @throws AuthError `not_found`, `validation_failed`, `weak_password`, `already_exists`, `forbidden`, `conflict`,
 * `reauthentication_required`.
 */
export async function updateUser(
  deps: UpdateUserDeps,
  caller: AdminCaller,
  input: UpdateUserInput,
): Promise<AdminUser> {
  const id = readUserId(input.userId);
  const names = readNames(input);
  if (input.disabled === true && caller.bearer?.user.id === id) {
    throw new AuthError("forbidden", { message: "You cannot disable yourself." });
  }
  // What an account is taken over with: an old session of an administrator is not to do it, to the administrator's own least of all.
  const isTakeover = input.email !== undefined || input.password !== undefined || input.resetMfa;
  if (isTakeover && caller.bearer !== undefined) requireRecentAuthentication(deps, caller.bearer);
  const { disabled, dataPublic } = input;
  const passwordHash = input.password === undefined ? undefined : await hashFor(deps, { ...input, id, names });
  const change: UserChange = { ...names, passwordHash, disabled, dataPublic };
  const now = deps.clock.now();
  return deps.administration.act(caller, { permission: "users:write", now }, async (act) => {
    const before = await findSubject(act, id);
    refuseStale(before, input.expectedVersion);
    await apply(act, { before, change, resetMfa: input.resetMfa });
    return orNoUser(await act.findUser(id));
  });
}

/** By the names that the user will have. Hashed before the act: nobody waits for it. */
async function hashFor(
  deps: UpdateUserDeps,
  { id, names, password = "", signal }: UpdateUserInput & { id: string; names: ReturnType<typeof readNames> },
): Promise<string> {
  const { email, username } = orNoUser(await deps.administration.findUser(id, deps.clock.now()));
  return hashNew(deps, { email: names.email ?? email, username: names.username ?? username }, { password, signal });
}

/** The change, what it ends, and what the trail says of it: names of fields, never what is in them. */
async function apply(
  act: Act,
  { before, change, resetMfa }: { before: AdminUser; change: UserChange; resetMfa: boolean },
): Promise<void> {
  const { id: subjectId } = before;
  const becomesDisabled = change.disabled === true && before.disabledAt === undefined;
  const becomesEnabled = change.disabled === false && before.disabledAt !== undefined;
  const hasNewPassword = change.passwordHash !== undefined;
  let revoked = 0;
  if (hasNewPassword || becomesDisabled) {
    revoked = await act.endSessions(subjectId, becomesDisabled ? "user.disabled" : "password.changed");
  }
  if (hasNewPassword) await act.forgiveFailures(subjectId);
  await act.updateUser(subjectId, change);
  if (resetMfa) await act.removeFactors(subjectId);
  const fields = [
    ...(change.email === undefined ? [] : ["email"]),
    ...(change.username === undefined ? [] : ["username"]),
    ...(hasNewPassword ? ["password"] : []),
    ...(change.dataPublic === undefined ? [] : ["data_public"]),
    ...(resetMfa ? ["mfa"] : []),
  ];
  const detail = { revoked_sessions: revoked };
  if (fields.length > 0) await act.record({ type: "user.updated", subjectId, detail: { fields, ...detail } });
  if (becomesDisabled) await act.record({ type: "user.disabled", subjectId, detail });
  if (becomesEnabled) await act.record({ type: "user.enabled", subjectId });
}

function readNames(input: UpdateUserInput): Pick<UserChange, "email" | "username"> {
  const email = input.email === undefined ? undefined : canonicalEmail(input.email);
  const username = input.username === undefined ? undefined : parseUsername(input.username);
  const problems: Problems = [];
  if (input.email !== undefined && email === undefined) problems.push({ field: "email", problem: EMAIL_RULE });
  if (input.username !== undefined && username === undefined) {
    problems.push({ field: "username", problem: USERNAME_RULE });
  }
  const problem = input.password === undefined ? undefined : passwordProblem(input.password);
  if (problem !== undefined) problems.push({ field: "password", problem });
  refuseProblems(problems);
  return { email, username };
}
