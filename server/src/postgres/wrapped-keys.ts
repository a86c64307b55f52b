import { auditKeyContext } from "../service/audit-key.ts";
import { keyContext } from "../service/key-context.ts";
import type { WrapContext } from "../service/ports.ts";
import { factorContext } from "../service/read-code.ts";
import type { WrappedKeys } from "../service/rewrap.ts";
import { serverKeyContext } from "../service/server-keys.ts";
import type { KeyPurpose } from "../service/user-data-ports.ts";
import { type Database, run, runOne, statement } from "./database.ts";

type Table<Row> = {
  name: string;
  /** SQL of what names a row, and its type. An index on it serves the pages. */
  id: string;
  idType: string;
  /** The column of what the KMS wrapped. */
  wrapped: string;
  /** Further columns, for the context. */
  columns: string;
  where?: string;
  context(row: Row): WrapContext;
};
type WrappedRow = { id: string; wrapped: string };

function wrappedIn<Row extends object>(table: Table<Row>): (db: Database) => WrappedKeys {
  const { name, id, idType, wrapped, columns, where = "true", context } = table;
  const further = columns === "" ? "" : `, ${columns}`;
  const page = statement<WrappedRow & Row>(
    `wrapped_page_${name}`,
    `SELECT ${id}::text AS id, ${wrapped} AS wrapped${further} FROM ${name}
    WHERE ${where} AND ($1::${idType} IS NULL OR ${id} > $1::${idType}) ORDER BY ${id} LIMIT $2::int`,
  );
  const replace = statement<{ replaced: boolean }>(
    `wrapped_replace_${name}`,
    `UPDATE ${name} SET ${wrapped} = $3::text WHERE ${id} = $1::${idType} AND ${wrapped} = $2::text RETURNING true AS replaced`,
  );
  return (db) => ({
    async page(after, limit) {
      const rows = await run(db, page, [after ?? null, limit]);
      return rows.map((row) => ({ id: row.id, wrapped: row.wrapped, context: context(row) }));
    },
    async replace(key, old, fresh) {
      return (await runOne(db, replace, [key, old, fresh])) !== undefined;
    },
  });
}

/** Every table that holds what the KMS wrapped, channels in Redis aside, which live for minutes. */
export const WRAPPED_KEYS: Record<string, (db: Database) => WrappedKeys> = {
  server_keys: wrappedIn<{ purpose: string }>({
    name: "server_keys",
    id: "purpose",
    idType: "text",
    wrapped: "wrapped_key",
    columns: "purpose",
    context: ({ purpose }) => serverKeyContext(purpose),
  }),
  audit_key: wrappedIn({
    name: "audit_key",
    id: "(wrapped IS NOT NULL)",
    idType: "boolean",
    wrapped: "wrapped",
    columns: "",
    context: () => auditKeyContext,
  }),
  user_keys: wrappedIn<{ user_id: string; purpose: KeyPurpose; version: number }>({
    name: "user_keys",
    id: "id",
    idType: "bigint",
    wrapped: "wrapped_key",
    columns: "user_id, purpose, version",
    context: ({ user_id: userId, purpose, version }) => keyContext({ userId, purpose, version }),
  }),
  mfa_factors: wrappedIn<{ user_id: string }>({
    name: "mfa_factors",
    id: "id",
    idType: "uuid",
    wrapped: "secret_wrapped",
    columns: "user_id",
    where: "kind = 'totp'",
    context: ({ user_id: userId }) => factorContext(userId),
  }),
};
