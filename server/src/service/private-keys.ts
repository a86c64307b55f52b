import { keyContext } from "./key-context.ts";
import type { Deps, Unwrapping } from "./ports.ts";
import type { KeyDerivation, KeyPurpose, StoredKey, StoredPasswordKey } from "./user-data-ports.ts";

export type PrivateKeyDeps = Pick<Deps, "kms" | "hasher" | "dataCipher" | "recoveryKeys">;

type Password = { userId: string; password: string; signal: AbortSignal | undefined };
type Recovery = { userId: string; secret: Buffer };

/**
 * A key of private data as it was found. `locked`: it is whole, and this password or recovery key is not its own. `tampered`: what
 * the KMS wrapped does not open for this user, purpose and version, so it is not what was stored there; or no key was ever derived
 * as the row says.
 */
export type FoundKey = { state: "open"; key: Buffer } | { state: "locked" } | { state: "tampered" };

/** The layer under the password lies inside the one of the KMS: neither alone opens anything. */
export async function wrapForPassword(
  deps: PrivateKeyDeps,
  key: Buffer,
  { userId, version, password, signal }: Password & { version: number },
): Promise<{ wrappedKey: string; derivation: KeyDerivation }> {
  const derivation = deps.hasher.newDerivation();
  const wrapping = await deps.hasher.deriveKey(password, derivation, signal);
  const place = { userId, purpose: "private.password", version } as const;
  return { wrappedKey: await wrap(deps, key, { wrapping, place }), derivation };
}

export function wrapForRecovery(
  deps: PrivateKeyDeps,
  key: Buffer,
  { userId, version, secret }: Recovery & { version: number },
): Promise<string> {
  const place = { userId, purpose: "private.recovery", version } as const;
  return wrap(deps, key, { wrapping: deps.recoveryKeys.wrappingKey(secret), place });
}

export async function openWithPassword(
  deps: PrivateKeyDeps,
  stored: StoredPasswordKey | undefined,
  { userId, password, signal, remembered }: Password & Unwrapping,
): Promise<FoundKey> {
  if (stored !== undefined && !deps.hasher.isDerivation(stored.derivation)) return { state: "tampered" };
  const derive = (key: StoredPasswordKey) => deps.hasher.deriveKey(password, key.derivation, signal);
  return open(deps, stored, { userId, purpose: "private.password", derive, how: { remembered } });
}

export function openWithRecovery(
  deps: PrivateKeyDeps,
  stored: StoredKey | undefined,
  { userId, secret }: Recovery,
): Promise<FoundKey> {
  const derive = async () => deps.recoveryKeys.wrappingKey(secret);
  return open(deps, stored, { userId, purpose: "private.recovery", derive });
}

type Place = { userId: string; purpose: KeyPurpose; version: number };

async function wrap(
  deps: PrivateKeyDeps,
  key: Buffer,
  { wrapping, place }: { wrapping: Buffer; place: Place },
): Promise<string> {
  const inner = deps.dataCipher.seal(wrapping, key, place);
  wrapping.fill(0);
  return deps.kms.wrap(inner, keyContext(place));
}

async function open<K extends StoredKey>(
  deps: PrivateKeyDeps,
  stored: K | undefined,
  {
    userId,
    purpose,
    derive,
    how,
  }: { userId: string; purpose: KeyPurpose; derive(stored: K): Promise<Buffer>; how?: Unwrapping },
): Promise<FoundKey> {
  if (stored === undefined) return { state: "tampered" };
  const place = { userId, purpose, version: stored.version };
  const outer = await deps.kms.unwrap(stored.wrappedKey, keyContext(place), how);
  if (outer === undefined) return { state: "tampered" };
  const wrapping = await derive(stored);
  const key = deps.dataCipher.open(wrapping, outer.secret, place);
  wrapping.fill(0);
  return key === undefined ? { state: "locked" } : { state: "open", key };
}
