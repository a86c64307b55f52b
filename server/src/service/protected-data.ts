import { keyContext } from "./key-context.ts";
import type { Deps, Unwrapping } from "./ports.ts";
import { type Reader, refuseTampered, type TamperedDeps } from "./refuse-tampered.ts";
import type { NewData, StoredProtected } from "./user-data-ports.ts";

export type ProtectedDeps = TamperedDeps & Pick<Deps, "kms" | "dataCipher" | "randomKey">;

const PURPOSE = "protected";
const DATA = "data.protected";

/** The protected data as it was given; undefined when there is none. @throws AuthError `unavailable`, `internal`. */
export async function openProtected(
  deps: ProtectedDeps,
  reader: Reader,
  stored: StoredProtected | undefined,
): Promise<Buffer | undefined> {
  if (stored === undefined) return undefined;
  const key = await openKey(deps, reader, stored);
  const { keyVersion: version, ciphertext } = stored.data;
  const plaintext = deps.dataCipher.open(key, ciphertext, { userId: reader.userId, purpose: DATA, version });
  key.fill(0);
  return plaintext ?? refuseTampered(deps, reader, "the protected data");
}

/** Seals protected data under the key of what it replaces, or under a first one. @throws AuthError `unavailable`, `internal`. */
export async function sealProtected(
  deps: ProtectedDeps,
  reader: Reader,
  { stored, plaintext }: { stored: StoredProtected | undefined; plaintext: Uint8Array },
): Promise<NewData & { newKey: string | undefined }> {
  const { userId } = reader;
  const keyVersion = stored?.data.keyVersion ?? 1;
  const key = stored === undefined ? deps.randomKey() : await openKey(deps, reader, stored, { remembered: false });
  const place = { userId, purpose: PURPOSE, version: keyVersion } as const;
  const newKey = stored === undefined ? await deps.kms.wrap(key, keyContext(place)) : undefined;
  const ciphertext = deps.dataCipher.seal(key, plaintext, { ...place, purpose: DATA });
  key.fill(0);
  return { revision: stored?.data.revision ?? 0, keyVersion, ciphertext, newKey };
}

async function openKey(
  deps: ProtectedDeps,
  reader: Reader,
  { key }: StoredProtected,
  how?: Unwrapping,
): Promise<Buffer> {
  const context = key && keyContext({ userId: reader.userId, purpose: PURPOSE, version: key.version });
  const opened = key && context && (await deps.kms.unwrap(key.wrappedKey, context, how));
  return opened?.secret ?? refuseTampered(deps, reader, "the key of the protected data");
}
