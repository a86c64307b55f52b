import { AuthError } from "../domain/errors.ts";
import { ADMIN_ROLE, DEFAULT_ROLE } from "../domain/user.ts";
import type { AdminCaller } from "./administration-ports.ts";
import { type CreateUserDeps, hashNew, readNewUser } from "./create-user.ts";

export type CreateAdminInput = { email: string; username: string; password: string; onlyFirst: boolean };

/** Whoever sits at the server's command line. */
export const AT_COMMAND_LINE: AdminCaller = {
  client: { ip: "", userAgent: "cli", requestId: "" },
  bearer: undefined,
};

/**
 * Creates a user who holds the role `admin`; returns the id. With `onlyFirst`, only when nobody holds it: of many at once, on whatever
 * machines, one is the first. @throws AuthError `conflict` for the others, `validation_failed`, `weak_password`, `already_exists`.
 */
export async function createAdmin(deps: CreateUserDeps, input: CreateAdminInput): Promise<string> {
  const { password, onlyFirst } = input;
  const names = readNewUser(deps, { ...input, passwordHash: "", dataPublic: {} });
  const passwordHash = await hashNew(deps, names, { password });
  const user = { id: deps.ids.uuid(), ...names, passwordHash, dataPublic: {} };
  const options = { permission: "users:write", now: deps.clock.now() };
  return deps.administration.act(AT_COMMAND_LINE, options, async (act) => {
    if (onlyFirst && (await act.hasAdmin())) {
      throw new AuthError("conflict", { message: "There is an administrator already. Nothing was done." });
    }
    await act.createUser(user, [DEFAULT_ROLE, ADMIN_ROLE]);
    await act.record({ type: "user.created", subjectId: user.id });
    await act.record({ type: "role.assigned", subjectId: user.id, detail: { role: ADMIN_ROLE } });
    return user.id;
  });
}
