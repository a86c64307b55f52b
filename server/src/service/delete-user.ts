import { AuthError } from "../domain/errors.ts";
import { findSubject, readUserId, refuseStale } from "./administration.ts";
import type { AdminCaller } from "./administration-ports.ts";
import type { Deps } from "./ports.ts";

export type DeleteUserDeps = Pick<Deps, "administration" | "clock">;

/** Deletes a user with all that belongs to it, the audit trail aside. @throws AuthError `not_found`, `forbidden`, `conflict`. */
export async function deleteUser(
  deps: DeleteUserDeps,
  caller: AdminCaller,
  input: { userId: string; expectedVersion: number | undefined },
): Promise<void> {
  const id = readUserId(input.userId);
  if (caller.bearer?.user.id === id) throw new AuthError("forbidden", { message: "You cannot delete yourself." });
  await deps.administration.act(caller, { permission: "users:write", now: deps.clock.now() }, async (act) => {
    refuseStale(await findSubject(act, id), input.expectedVersion);
    await act.forgiveFailures(id);
    await act.deleteUser(id);
    await act.record({ type: "user.deleted", subjectId: id });
  });
}

/** Ends every session of a user; returns how many were alive. @throws AuthError `not_found`, `forbidden`. */
export async function revokeUserSessions(deps: DeleteUserDeps, caller: AdminCaller, userId: string): Promise<number> {
  const id = readUserId(userId);
  return deps.administration.act(caller, { permission: "users:write", now: deps.clock.now() }, async (act) => {
    await findSubject(act, id);
    const revoked = await act.endSessions(id, "user.sessions_revoked");
    await act.record({ type: "user.sessions_revoked", subjectId: id, detail: { revoked_sessions: revoked } });
    return revoked;
  });
}
