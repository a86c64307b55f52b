import { keyContext } from "../service/key-context.ts";
import type { Kms } from "../service/ports.ts";
import type { KeyDerivation, KeyPurpose } from "../service/user-data-ports.ts";
import { type Database, type Queryable, run, runOne, statement } from "./database.ts";

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

/** A wrapped key among all of them. `context` is what the KMS unwraps and wraps it with. */
export type WrappedKeyRow = { id: string; wrappedKey: string; context: Parameters<Kms["wrap"]>[1] };

const PAGE = statement<{ id: string; user_id: string; purpose: KeyPurpose; version: number; wrapped_key: string }>(
  "page_of_user_keys",
  `SELECT id, user_id, purpose, version, wrapped_key FROM user_keys WHERE id > $1::bigint ORDER BY id LIMIT $2::integer`,
);

const REPLACE = statement<{ id: string }>(
  "replace_wrapped_key",
  `UPDATE user_keys SET wrapped_key = $3::text, updated_at = $4::timestamptz WHERE id = $1::bigint AND wrapped_key = $2::text
  RETURNING id`,
);

/** Every wrapped key there is, page by page, to be wrapped anew under a newer master key. */
export function createWrappedKeys(db: Database) {
  return {
    /** Those after an id, by id. What is added meanwhile is under the newest master key already. */
    async page(after: string | undefined, limit: number): Promise<WrappedKeyRow[]> {
      const rows = await run(db, PAGE, [after ?? "0", limit]);
      return rows.map(({ id, user_id: userId, purpose, version, wrapped_key: wrappedKey }) => ({
        id,
        wrappedKey,
        context: keyContext({ userId, purpose, version }),
      }));
    },
    /** False when the key was changed, or is gone, since it was read. */
    async replace(id: string, change: { before: string; after: string; now: Date }): Promise<boolean> {
      return (await runOne(db, REPLACE, [id, change.before, change.after, change.now])) !== undefined;
    },
  };
}
