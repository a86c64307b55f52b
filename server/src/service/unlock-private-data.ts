import { AuthError } from "../domain/errors.ts";
import { openPrivate, type PrivateDataDeps, proveForPrivateData, refuseUnreadablePassword } from "./private-data.ts";
import { wrapForPassword } from "./private-keys.ts";
import type { Caller, StoredPrivate } from "./user-data-ports.ts";

export type UnlockInput = { password: string; recoveryKey: string; signal?: AbortSignal };

/**
 * The private data, undefined when there is none. With a recovery key, the password that was sent opens it from then on. The audit
 * knows of it before the caller has it.
 */
export async function unlockPrivateData(
  deps: PrivateDataDeps,
  caller: Caller,
  input: UnlockInput,
): Promise<Buffer | undefined> {
  refuseUnreadablePassword(input.password);
  const recoverySecret = input.recoveryKey === "" ? undefined : parseRecoveryKey(deps, input.recoveryKey);
  const credentials = { password: input.password, recoverySecret, signal: input.signal };
  const passwordHash = await proveForPrivateData(deps, caller, credentials);

  const stored = await deps.userData.private.find(caller.bearer.user.id);
  if (stored === undefined) return undefined;
  const { key, plaintext } = await openPrivate(deps, caller, { stored, credentials });
  const isOutdated = stored.password?.derivation.kdf !== deps.hasher.newDerivation().kdf;
  const move = { stored, key, passwordHash, ...credentials };
  if (recoverySecret !== undefined) {
    const moved = await putUnderPassword(deps, caller, { ...move, act: "recovered" });
    if (!moved) throw new AuthError("conflict", { message: "The password or the data was changed meanwhile." });
  } else if (!isOutdated || !(await putUnderPassword(deps, caller, { ...move, act: "unlocked" }))) {
    await deps.userData.private.recordUnlocked({ caller, now: deps.clock.now() });
  }
  key.fill(0);
  return plaintext;
}

type Move = {
  stored: StoredPrivate;
  key: Buffer;
  passwordHash: string;
  password: string;
  signal: AbortSignal | undefined;
  act: "unlocked" | "recovered";
};

/** Under the password that was sent, as keys are derived today. False when others changed it meanwhile. */
async function putUnderPassword(
  deps: PrivateDataDeps,
  caller: Caller,
  { stored, key, passwordHash, password, signal, act }: Move,
): Promise<boolean> {
  const version = stored.data.keyVersion;
  const wrapped = await wrapForPassword(deps, key, { userId: caller.bearer.user.id, version, password, signal });
  const change = { version, before: stored.password?.wrappedKey, after: wrapped.wrappedKey };
  return deps.userData.private.rewrap({
    caller,
    now: deps.clock.now(),
    passwordHash,
    key: { ...change, derivation: wrapped.derivation },
    act,
  });
}

function parseRecoveryKey({ recoveryKeys }: PrivateDataDeps, text: string): Buffer {
  const secret = recoveryKeys.parse(text);
  if (secret === undefined) {
    throw new AuthError("validation_failed", { message: "recovery_key: has a typing error, or letters are missing" });
  }
  return secret;
}
