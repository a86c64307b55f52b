import { readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import pg from "pg";

const FOLDER = fileURLToPath(new URL("../../../migrations", import.meta.url));
const TABLE = "schema_migrations";
const CONNECT_MS = 5_000;
const NOT_ALLOWED =
  "the schema is not at its newest migration, and this user may not migrate it: run `npm run cli -- migrate` as the owner of the tables";

/**
 * Brings the schema to the newest migration. Replicas that start together wait for one another on an advisory lock that dies
 * with its connection; each migration is a transaction, so one that was killed is done again by the next. Returns how many ran.
 */
export async function migrate(databaseUrl: string, log: (line: string) => void): Promise<number> {
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: CONNECT_MS });
  // A connection that is lost says so beside the query that fails; without a listener it would end the process.
  client.on("error", (error) => log(`the connection for migrations was lost: ${error.message}`));
  try {
    await client.connect();
    if (await isCurrent(client)) return 0;
    if (!(await mayMigrate(client))) throw new Error(NOT_ALLOWED);
    const { runner } = await import("node-pg-migrate");
    const applied = await runner({
      dbClient: client,
      dir: FOLDER,
      migrationsTable: TABLE,
      direction: "up",
      advisoryLockMode: "wait",
      checkOrder: true,
      log,
    });
    return applied.length;
  } finally {
    await client.end();
  }
}

/** Whether this user owns what is there, or may make it where there is nothing. */
async function mayMigrate(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ may: boolean }>(
    `SELECT coalesce(
      (SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass($1)),
      has_schema_privilege(current_schema(), 'CREATE')
    ) AS may`,
    [TABLE],
  );
  return rows[0]?.may === true;
}

/** Spares a start that has nothing to migrate the tool, the lock and their time. */
async function isCurrent(client: pg.Client): Promise<boolean> {
  const files = (await readdir(FOLDER)).filter((file) => file.endsWith(".sql"));
  const { rows } = await client.query<{ exists: boolean }>("SELECT to_regclass($1) IS NOT NULL AS exists", [TABLE]);
  if (rows[0]?.exists !== true) return false;
  const applied = await client.query<{ name: string }>(`SELECT name FROM ${TABLE}`);
  const names = new Set(applied.rows.map((row) => row.name));
  return files.every((file) => names.has(file.replace(/\.sql$/, "")));
}
