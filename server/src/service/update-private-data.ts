import { AuthError } from "../domain/errors.ts";
import { openPrivate, type PrivateDataDeps, proveForPrivateData, refuseUnreadablePassword } from "./private-data.ts";
import { wrapForPassword, wrapForRecovery } from "./private-keys.ts";
import type { Caller, StoredPrivate } from "./user-data-ports.ts";

export type UpdatePrivateInput = {
  password: string;
  newRecoveryKey: boolean;
  /** Begins anew, without what is stored. */
  discardStored: boolean;
  change(before: Uint8Array | undefined): Uint8Array;
  signal?: AbortSignal;
};

/**
 * Changes private data on top of what is stored. Returns the recovery key where one was made: the first time, when it is asked
 * for, and when what is stored is discarded.
 */
export async function updatePrivateData(
  deps: PrivateDataDeps,
  caller: Caller,
  input: UpdatePrivateInput,
): Promise<string | undefined> {
  refuseUnreadablePassword(input.password);
  const { password, signal } = input;
  const userId = caller.bearer.user.id;
  const passwordHash = await proveForPrivateData(deps, caller, { password, signal });

  const stored = await deps.userData.private.find(userId);
  const kept = input.discardStored ? undefined : stored;
  const credentials = { password, recoverySecret: undefined, signal };
  const opened = kept && (await openPrivate(deps, caller, { stored: kept, credentials, remembered: false }));
  const plaintext = input.change(opened?.plaintext);

  const isNew = opened === undefined || input.newRecoveryKey;
  const key = isNew ? deps.randomKey() : opened.key;
  const keyVersion = nextVersion(stored, isNew);
  const made = isNew ? await makeKeys(deps, key, { userId, version: keyVersion, password, signal }) : undefined;
  const ciphertext = deps.dataCipher.seal(key, plaintext, { userId, purpose: "data.private", version: keyVersion });
  key.fill(0);
  opened?.key.fill(0);
  const changed = await deps.userData.private.update({
    caller,
    now: deps.clock.now(),
    passwordHash,
    data: { revision: stored?.data.revision ?? 0, keyVersion, ciphertext },
    newKeys: made?.keys,
  });
  if (!changed) throw new AuthError("conflict", { message: "The data or the password was changed meanwhile." });
  return made?.recoveryKey;
}

/** A version is never used for two keys: what was wrapped under the one must not pass for the other. */
function nextVersion(stored: StoredPrivate | undefined, isNew: boolean): number {
  const version = stored?.data.keyVersion ?? 0;
  return isNew ? version + 1 : version;
}

async function makeKeys(
  deps: PrivateDataDeps,
  key: Buffer,
  about: { userId: string; version: number; password: string; signal: AbortSignal | undefined },
) {
  const { text: recoveryKey, secret } = deps.recoveryKeys.create();
  const password = await wrapForPassword(deps, key, about);
  const recovery = await wrapForRecovery(deps, key, { ...about, secret });
  secret.fill(0);
  return { recoveryKey, keys: { version: about.version, password, recovery } };
}
