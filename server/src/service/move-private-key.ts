import type { SeenPrivateKey } from "./ports.ts";
import { openWithPassword, type PrivateKeyDeps, wrapForPassword } from "./private-keys.ts";
import { recordTampered, type TamperedDeps } from "./refuse-tampered.ts";
import type { Caller } from "./user-data-ports.ts";

export type MovePrivateKeyDeps = PrivateKeyDeps & TamperedDeps;

/**
 * The key of the private data, under a new password. A key that this password does not open stays as it is, for the recovery key:
 * nobody is kept from leaving a password behind. @throws AuthError `unavailable`.
 */
export async function movePrivateKey(
  deps: MovePrivateKeyDeps,
  { client, bearer }: Caller,
  passwords: { currentPassword: string; newPassword: string; signal?: AbortSignal },
): Promise<SeenPrivateKey> {
  const userId = bearer.user.id;
  const { signal, currentPassword, newPassword } = passwords;
  const stored = await deps.userData.private.find(userId);
  const before = stored?.password?.wrappedKey;
  if (stored === undefined) return { wrappedKey: undefined, change: undefined };
  const found = await openWithPassword(deps, stored.password, { userId, password: currentPassword, signal });
  if (found.state === "tampered") {
    await recordTampered(deps, { client, actorId: userId, userId }, "the key of the private data");
  }
  if (found.state !== "open") return { wrappedKey: before, change: undefined };
  const version = stored.data.keyVersion;
  const about = { userId, version, password: newPassword, signal };
  const { wrappedKey: after, derivation } = await wrapForPassword(deps, found.key, about);
  found.key.fill(0);
  return { wrappedKey: before, change: { version, before, after, derivation } };
}
