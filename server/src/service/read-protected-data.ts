import { AuthError } from "../domain/errors.ts";
import type { ServiceAccount } from "./backend-ports.ts";
import type { Client } from "./ports.ts";
import { openProtected, type ProtectedDeps } from "./protected-data.ts";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * A user's protected data for another back end, whose name goes into the audit before it has the data. Undefined when there is
 * none. @throws AuthError `validation_failed`, `not_found`, `unavailable`, `internal`.
 */
export async function readProtectedData(
  deps: ProtectedDeps,
  { client, service }: { client: Client; service: ServiceAccount },
  userId: string,
): Promise<Buffer | undefined> {
  if (!UUID.test(userId)) throw new AuthError("validation_failed", { message: "user_id: must be a UUID" });
  const found = await deps.userData.protected.readFor({ service, client, userId, now: deps.clock.now() });
  if (found === undefined) throw new AuthError("not_found", { message: "There is no such user." });
  return openProtected(deps, { client, actorId: service.id, userId: userId.toLowerCase() }, found.stored);
}
