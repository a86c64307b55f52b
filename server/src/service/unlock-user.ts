import { AuthError } from "../domain/errors.ts";
import { parseIdentifier } from "../domain/identifier.ts";
import { parseUuid } from "../domain/uuid.ts";
import { orNoUser, readUserId, requireCoveredUser } from "./administration.ts";
import type { Bearer, Client, Deps } from "./ports.ts";
import type { Origin } from "./unlock-ports.ts";

export type UnlockUserDeps = Pick<Deps, "unlocks" | "clock">;

/** Lets a user try again at once, be there a lock or none. @throws AuthError `validation_failed`, `not_found`. */
export async function unlockUser(
  deps: UnlockUserDeps,
  by: { actorId: string | undefined; client: Origin },
  userId: string,
): Promise<void> {
  const id = readUserId(userId);
  const found = await deps.unlocks.unlock({ userId: id, ...by, now: deps.clock.now() });
  orNoUser(found ? id : undefined);
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
  const id = parseUuid(name);
  if (id !== undefined) return id;
  const identifier = parseIdentifier(name);
  const userId = identifier && (await deps.unlocks.findUser(identifier));
  if (userId === undefined) throw new AuthError("not_found", { message: `There is no user ${name}.` });
  return userId;
}
