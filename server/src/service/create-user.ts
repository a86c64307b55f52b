import { canonicalEmail } from "../domain/email.ts";
import { AuthError } from "../domain/errors.ts";
import { passwordProblem, passwordWeakness } from "../domain/password-policy.ts";
import { DEFAULT_ROLE } from "../domain/user.ts";
import { parseUsername, USERNAME_RULE } from "../domain/username.ts";
import { type Problems, refuseProblems } from "../domain/validation.ts";
import { orNoUser } from "./administration.ts";
import type { AdminCaller, AdminUser } from "./administration-ports.ts";
import type { Deps } from "./ports.ts";

export type CreateUserDeps = Pick<Deps, "administration" | "hasher" | "passwordPolicy" | "clock" | "ids">;
export type CreateUserInput = {
  email: string;
  username: string;
  password: string;
  /** Of another system, in the place of a password. */
  passwordHash: string;
  dataPublic: Record<string, unknown>;
  signal?: AbortSignal;
};
type Names = { email: string; username: string };

export const EMAIL_RULE = "must be an email address of at most 254 characters";

/** Creates an account without a session. @throws AuthError `validation_failed`, `weak_password`, `already_exists`. */
export async function createUser(
  deps: CreateUserDeps,
  caller: AdminCaller,
  input: CreateUserInput,
): Promise<AdminUser> {
  const names = readNewUser(deps, input);
  const passwordHash = input.passwordHash === "" ? await hashNew(deps, names, input) : input.passwordHash;
  const user = { id: deps.ids.uuid(), ...names, passwordHash, dataPublic: input.dataPublic };
  const now = deps.clock.now();
  return deps.administration.act(caller, { permission: "users:write", now }, async (act) => {
    await act.createUser(user, [DEFAULT_ROLE]);
    await act.record({ type: "user.created", subjectId: user.id });
    return orNoUser(await act.findUser(user.id));
  });
}

/** The hash of a password that the policy allows. @throws AuthError `weak_password`, `overloaded`. */
export function hashNew(
  deps: Pick<Deps, "hasher" | "passwordPolicy">,
  names: Names,
  { password, signal }: { password: string; signal?: AbortSignal | undefined },
): Promise<string> {
  const weakness = passwordWeakness(deps.passwordPolicy, password, names);
  if (weakness !== undefined) throw new AuthError("weak_password", { message: weakness });
  return deps.hasher.hash(password, signal);
}

/** @throws AuthError `validation_failed` */
export function readNewUser(deps: Pick<CreateUserDeps, "hasher">, input: CreateUserInput): Names {
  const email = canonicalEmail(input.email);
  const username = parseUsername(input.username);
  const problems: Problems = [];
  if (email === undefined) problems.push({ field: "email", problem: EMAIL_RULE });
  if (username === undefined) problems.push({ field: "username", problem: USERNAME_RULE });
  problems.push(...secretProblems(deps, input));
  refuseProblems(problems);
  return { email: email as string, username: username as string };
}

function secretProblems(
  { hasher }: Pick<CreateUserDeps, "hasher">,
  { password, passwordHash }: CreateUserInput,
): Problems {
  if (password !== "" && passwordHash !== "") {
    return [{ field: "password_hash", problem: "must be absent where there is a password" }];
  }
  const [field, problem] =
    passwordHash === ""
      ? ["password", passwordProblem(password)]
      : ["password_hash", hasher.foreignHashProblem(passwordHash)];
  return problem === undefined ? [] : [{ field, problem }];
}
