import { readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import pg from "pg";

const FOLDER = fileURLToPath(new URL("../../../migrations", import.meta.url));
const TABLE = "schema_migrations";

/**
 * Brings the schema to the newest migration. Replicas that start together wait for one another on an advisory lock that dies
 * with its connection; each migration is a transaction, so one that was killed is done again by the next. Returns how many ran.
 */
export async function migrate(databaseUrl: string, log: (line: string) => void): Promise<number> {
  if (await isCurrent(databaseUrl)) return 0;
  const { runner } = await import("node-pg-migrate");
  const applied = await runner({
    databaseUrl,
    dir: FOLDER,
    migrationsTable: TABLE,
    direction: "up",
    advisoryLockMode: "wait",
    checkOrder: true,
    log,
  });
  return applied.length;
}

/** Spares a start that has nothing to migrate the tool, the lock and their time. */
async function isCurrent(databaseUrl: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: 5_000 });
  await client.connect();
  try {
    const files = (await readdir(FOLDER)).filter((file) => file.endsWith(".sql"));
    const { rows } = await client.query<{ exists: boolean }>("SELECT to_regclass($1) IS NOT NULL AS exists", [TABLE]);
    if (rows[0]?.exists !== true) return false;
    const applied = await client.query<{ name: string }>(`SELECT name FROM ${TABLE}`);
    const names = new Set(applied.rows.map((row) => row.name));
    return files.every((file) => names.has(file.replace(/\.sql$/, "")));
  } finally {
    await client.end();
  }
}
