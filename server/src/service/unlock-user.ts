import { AuthError } from "../domain/errors.ts";
import { parseIdentifier } from "../domain/identifier.ts";
import { orNoUser, readUserId, requireCoveredUser } from "./administration.ts";
import type { Bearer, Client, Deps } from "./ports.ts";
import type { Origin } from "./unlock-ports.ts";

export type UnlockUserDeps = Pick<Deps, "unlocks" | "clock">;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Lets a user try again at once, be there a lock or none. @throws AuthError `validation_failed`, `not_found`. */
export async function unlockUser(
  deps: UnlockUserDeps,
  by: { actorId: string | undefined; client: Origin },
  userId: string,
): Promise<void> {
  if (!UUID.test(userId)) throw new AuthError("validation_failed", { message: "user_id: must be a UUID" });
  const found = await deps.unlocks.unlock({ userId, ...by, now: deps.clock.now() });
  if (!found) throw new AuthError("not_found", { message: "There is no such user." });
}

/** The same for a bearer. @throws AuthError `validation_failed`, `not_found`, `forbidden` for a user who may do more than the caller. */
export async function unlockUserAs(
  deps: UnlockUserDeps & Pick<Deps, "administration">,
  { client, bearer }: { client: Client; bearer: Bearer },
  userId: string,
): Promise<void> {
  requireCoveredUser(bearer.user, orNoUser(await deps.administration.findUser(readUserId(userId), deps.clock.now())));
  await unlockUser(deps, { client, actorId: bearer.user.id }, userId);
}

/** The id of the user of that email, username or id. @throws AuthError `not_found`. */
export async function findUserId(deps: Pick<UnlockUserDeps, "unlocks">, name: string): Promise<string> {
  if (UUID.test(name)) return name;
  const identifier = parseIdentifier(name);
  const userId = identifier && (await deps.unlocks.findUser(identifier));
  if (userId === undefined) throw new AuthError("not_found", { message: `There is no user ${name}.` });
  return userId;
}
