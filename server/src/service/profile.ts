import { AuthError } from "../domain/errors.ts";
import { openProtected, type ProtectedDeps, sealProtected } from "./protected-data.ts";
import type { Caller } from "./user-data-ports.ts";

/** Public data as JSON; protected data in the form in which it was given, undefined when there is none. */
export type Profile = { dataPublic: Record<string, unknown>; dataProtected: Uint8Array | undefined };

/** How each class becomes what it is to be; undefined for one that stays. May be asked more than once. */
export type ProfileChange = {
  dataPublic: ((before: Record<string, unknown>) => Record<string, unknown>) | undefined;
  dataProtected: ((before: Uint8Array | undefined) => Uint8Array) | undefined;
};

/** Somebody else's change in between is taken into account so often. */
const ATTEMPTS = 5;

export async function getProfile(deps: ProtectedDeps, caller: Caller): Promise<Profile> {
  const { dataPublic, stored } = await find(deps, caller);
  return { dataPublic, dataProtected: await openProtected(deps, readerOf(caller), stored) };
}

/** Changes both classes or none, on top of what is stored at that moment. @throws AuthError `conflict`. */
export async function updateProfile(deps: ProtectedDeps, caller: Caller, change: ProfileChange): Promise<Profile> {
  const reader = readerOf(caller);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const { dataPublic, stored } = await find(deps, caller);
    const opened = await openProtected(deps, reader, stored);
    const after: Profile = {
      dataPublic: change.dataPublic?.(dataPublic) ?? dataPublic,
      dataProtected: change.dataProtected?.(opened) ?? opened,
    };
    const plaintext = change.dataProtected && after.dataProtected;
    const changed = await deps.userData.protected.update({
      caller,
      now: deps.clock.now(),
      dataPublic: change.dataPublic && { before: dataPublic, after: after.dataPublic },
      dataProtected: plaintext && (await sealProtected(deps, reader, { stored, plaintext })),
    });
    if (changed) return after;
  }
  throw new AuthError("conflict", { message: "Others kept changing the same data. Try again." });
}

async function find(deps: ProtectedDeps, { bearer }: Caller) {
  const found = await deps.userData.protected.find(bearer.user.id);
  if (found === undefined) throw new AuthError("token_revoked");
  return found;
}

function readerOf({ client, bearer }: Caller) {
  return { client, actorId: bearer.user.id, userId: bearer.user.id };
}
