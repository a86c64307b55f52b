import type { Vaults } from "../service/user-data-ports.ts";
import { lockCaller, ownEvent } from "./caller.ts";
import { type Database, inTransaction, runOne, statement } from "./database.ts";

const GET = statement<{ content: Buffer; version: number }>(
  "get_vault",
  "SELECT content, version FROM user_vaults WHERE user_id = $1::uuid",
);

const PUT = statement<{ version: number }>(
  "put_vault",
  `INSERT INTO user_vaults AS present (user_id, version, content, updated_at)
  SELECT $1::uuid, $2::integer + 1, $3::bytea, $4::timestamptz
  WHERE $2::integer = 0 OR EXISTS (SELECT FROM user_vaults WHERE user_id = $1::uuid)
  ON CONFLICT (user_id) DO UPDATE SET
    version = excluded.version, content = excluded.content, updated_at = excluded.updated_at
  WHERE present.version = $2::integer
  RETURNING version`,
);

const recordUpdated = ownEvent("vault.updated");

export function createVaults(db: Database): Vaults {
  return {
    get: (userId) => runOne(db, GET, [userId]),

    put({ caller, now, content, replacedVersion }) {
      return inTransaction(db, async (transaction) => {
        await lockCaller(transaction, caller, now);
        const row = await runOne(transaction, PUT, [caller.bearer.user.id, replacedVersion, content, now]);
        if (row !== undefined) await recordUpdated(transaction, { caller, now });
        return row?.version;
      });
    },
  };
}
