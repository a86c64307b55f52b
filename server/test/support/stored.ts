import type pg from "pg";
import type { TestApp } from "./start-app.ts";

/** Every row of every table, as text; `bytea` in hexadecimal. */
export async function dumpDatabase(db: pg.Pool): Promise<string> {
  const tables = await db.query<{ name: string }>(
    "SELECT quote_ident(table_name) AS name FROM information_schema.tables WHERE table_schema = 'public'",
  );
  const rows: string[] = [];
  for (const { name } of tables.rows) {
    const { rows: found } = await db.query<{ row: string }>(`SELECT t::text AS row FROM ${name} AS t`);
    rows.push(...found.map(({ row }) => `${name} ${row}`));
  }
  return rows.join("\n");
}

/** The id of the session that a login's answer belongs to: the newest of the user. */
export async function newestSession(server: TestApp, userId: string): Promise<string> {
  const { rows } = await server.db.query<{ id: string }>(
    "SELECT session_id AS id FROM audit_events WHERE subject_id = $1 AND session_id IS NOT NULL ORDER BY id DESC LIMIT 1",
    [userId],
  );
  return rows[0]?.id ?? "";
}

/** How many rows of each kind a session, or a user, left behind. */
export async function countEvents(
  server: TestApp,
  type: string,
  userId: string,
): Promise<{ audit: number; outbox: number }> {
  const audit = await server.db.query("SELECT FROM audit_events WHERE type = $1 AND subject_id = $2", [type, userId]);
  const outbox = await server.db.query("SELECT FROM outbox_events WHERE type = $1 AND payload->>'user_id' = $2", [
    type,
    userId,
  ]);
  return { audit: audit.rowCount ?? 0, outbox: outbox.rowCount ?? 0 };
}
