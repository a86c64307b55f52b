import type { DataClass, NewData } from "../service/user-data-ports.ts";
import { type Queryable, runOne, statement } from "./database.ts";

/** The columns of a class' row and of its key, which may be missing. */
export type DataRow = { key_version: number; revision: number; ciphertext: Buffer };

const PUT = statement<{ revision: number }>(
  "put_user_data",
  `INSERT INTO user_data AS present (user_id, class, key_version, revision, ciphertext, updated_at)
  VALUES ($1::uuid, $2::text, $3::integer, $4::integer + 1, $5::bytea, $6::timestamptz)
  ON CONFLICT (user_id, class) DO UPDATE SET
    key_version = excluded.key_version, revision = excluded.revision, ciphertext = excluded.ciphertext,
    updated_at = excluded.updated_at
  WHERE present.revision = $4::integer
  RETURNING revision`,
);

/** Replaces a class' row. False when it has another revision by now. */
export async function putData(
  transaction: Queryable,
  { userId, dataClass, data, now }: { userId: string; dataClass: DataClass; data: NewData; now: Date },
): Promise<boolean> {
  const { keyVersion, revision, ciphertext } = data;
  const row = await runOne(transaction, PUT, [userId, dataClass, keyVersion, revision, ciphertext, now]);
  return row !== undefined;
}

export function toStoredData({ key_version: keyVersion, revision, ciphertext }: DataRow) {
  return { keyVersion, revision, ciphertext };
}
