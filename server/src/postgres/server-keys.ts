import type { WrappedKeys } from "../service/rewrap.ts";
import { type ServerKeys, serverKeyContext } from "../service/server-keys.ts";
import { type Database, run, runOne, statement } from "./database.ts";

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

const PAGE = statement<{ purpose: string; wrapped_key: string }>(
  "page_server_keys",
  `SELECT purpose, wrapped_key FROM server_keys WHERE $1::text IS NULL OR purpose > $1::text ORDER BY purpose LIMIT $2::int`,
);

const REPLACE = statement<{ purpose: string }>(
  "replace_server_key",
  "UPDATE server_keys SET wrapped_key = $3::text WHERE purpose = $1::text AND wrapped_key = $2::text RETURNING purpose",
);

/** The server's keys as what is to be taken to a newer master key. */
export function wrappedServerKeys(db: Database): WrappedKeys {
  return {
    async page(after, limit) {
      const rows = await run(db, PAGE, [after ?? null, limit]);
      return rows.map((row) => ({
        id: row.purpose,
        wrapped: row.wrapped_key,
        context: serverKeyContext(row.purpose),
      }));
    },
    async replace(id, old, fresh) {
      return (await runOne(db, REPLACE, [id, old, fresh])) !== undefined;
    },
  };
}
