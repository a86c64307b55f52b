import { orNoUser, readUserId } from "./administration.ts";
import type { ServiceAccount } from "./backend-ports.ts";
import type { Client } from "./ports.ts";
import { openProtected, type ProtectedDeps } from "./protected-data.ts";

/**
 * A user's protected data for another back end, whose name goes into the audit before it has the data. Undefined when there is
 * none. @throws AuthError `validation_failed`, `not_found`, `unavailable`, `internal`.
 */
export async function readProtectedData(
  deps: ProtectedDeps,
  { client, service }: { client: Client; service: ServiceAccount },
  id: string,
): Promise<Buffer | undefined> {
  const userId = readUserId(id);
  const { stored } = orNoUser(
    await deps.userData.protected.readFor({ service, client, userId, now: deps.clock.now() }),
  );
  return openProtected(deps, { client, actorId: service.id, userId }, stored);
}
