import type { KeyDerivation, KeyPurpose } from "../service/user-data-ports.ts";
import { type Queryable, run, runOne, statement } from "./database.ts";

type NewKey = {
  userId: string;
  purpose: KeyPurpose;
  version: number;
  wrappedKey: string;
  derivation?: KeyDerivation;
  now: Date;
};

/** What is there already must be what was read; where nothing was read, nothing may be there. */
const PUT = statement<{ id: string }>(
  "put_user_key",
  `INSERT INTO user_keys AS present (user_id, purpose, version, wrapped_key, kdf, salt, updated_at)
  VALUES ($1::uuid, $2::text, $3::integer, $4::text, $5::text, $6::bytea, $7::timestamptz)
  ON CONFLICT (user_id, purpose, version) DO UPDATE SET
    wrapped_key = excluded.wrapped_key, kdf = excluded.kdf, salt = excluded.salt, updated_at = excluded.updated_at
  WHERE present.wrapped_key = $8::text
  RETURNING id`,
);

/** Writes a wrapped key over the one that was read. False when another is there by now. */
export async function putKey(
  db: Queryable,
  { userId, purpose, version, wrappedKey, derivation, now }: NewKey,
  before?: string,
): Promise<boolean> {
  const { kdf, salt } = derivation ?? {};
  const values = [userId, purpose, version, wrappedKey, kdf ?? null, salt ?? null, now, before ?? null];
  return (await runOne(db, PUT, values)) !== undefined;
}

const DROP_PRIVATE = statement(
  "drop_private_keys",
  "DELETE FROM user_keys WHERE user_id = $1::uuid AND purpose IN ('private.password', 'private.recovery')",
);

/** Before new ones: a key that was replaced is gone, so that what it wrapped cannot come back. */
export async function dropPrivateKeys(db: Queryable, userId: string): Promise<void> {
  await run(db, DROP_PRIVATE, [userId]);
}
