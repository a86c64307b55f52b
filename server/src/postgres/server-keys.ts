import type { ServerKeys } from "../service/server-keys.ts";
import { type Database, runOne, statement } from "./database.ts";

const FIND = statement<{ wrapped_key: string }>(
  "find_server_key",
  "SELECT wrapped_key FROM server_keys WHERE purpose = $1::text",
);

/** The update that changes nothing makes the statement return the row that another replica stored first. */
const ENSURE = statement<{ wrapped_key: string }>(
  "ensure_server_key",
  `INSERT INTO server_keys AS k (purpose, wrapped_key) VALUES ($1::text, $2::text)
  ON CONFLICT (purpose) DO UPDATE SET wrapped_key = k.wrapped_key
  RETURNING wrapped_key`,
);

export function createServerKeys(db: Database): ServerKeys {
  return {
    async find(purpose) {
      return (await runOne(db, FIND, [purpose]))?.wrapped_key;
    },
    async ensure(purpose, wrapped) {
      const row = await runOne(db, ENSURE, [purpose, wrapped]);
      if (row === undefined) throw new Error("a server's key was stored and its row did not come back");
      return row.wrapped_key;
    },
  };
}
