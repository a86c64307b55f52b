import { readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { describe, expect, onTestFinished, test } from "vitest";
import { migrate } from "../src/postgres/migrate.ts";
import { createTestDatabase, dropTestDatabase, openTestPool } from "./support/start-app.ts";

const FOLDER = fileURLToPath(new URL("../../migrations", import.meta.url));
const silent = () => undefined;
const fileNames = async () =>
  (await readdir(FOLDER))
    .filter((file) => file.endsWith(".sql"))
    .map((file) => file.replace(".sql", ""))
    .sort();

async function emptyDatabase(): Promise<{ url: string; db: pg.Pool }> {
  const url = await createTestDatabase({ empty: true });
  const db = openTestPool(url, 2);
  db.on("error", () => undefined);
  onTestFinished(async () => {
    await db.end();
    await dropTestDatabase(url);
  });
  return { url, db };
}

const applied = async (db: pg.Pool): Promise<string[]> =>
  (await db.query<{ name: string }>("SELECT name FROM schema_migrations ORDER BY id")).rows.map(({ name }) => name);

describe("migrations", () => {
  test("are numbered without a gap", async () => {
    const numbers = (await fileNames()).map((name) => Number(name.slice(0, 4)));
    expect(numbers).toStrictEqual(numbers.map((_, index) => index + 1));
  });

  test("run once each when four replicas start at once on an empty database", async () => {
    const { url, db } = await emptyDatabase();
    const counts = await Promise.all([1, 2, 3, 4].map(() => migrate(url, silent)));
    const names = await fileNames();
    expect(counts.toSorted()).toStrictEqual([0, 0, 0, names.length]);
    expect(await applied(db)).toStrictEqual(names);
    const admin = await db.query("SELECT FROM role_permissions WHERE role = 'admin'");
    expect(admin.rowCount).toBe(3);
  });

  test("have nothing to do on a database that is up to date, and wait for nobody there", async () => {
    const { url, db } = await emptyDatabase();
    await migrate(url, silent);
    const holder = await db.connect();
    await holder.query("BEGIN");
    await holder.query("LOCK TABLE users");
    expect(await migrate(url, silent)).toBe(0);
    await holder.query("ROLLBACK");
    holder.release();
  });

  test("of a holder that was killed half way are completed by the next", async () => {
    const { url, db } = await emptyDatabase();
    // Stands in the way of the third migration, so that the holder is caught in the middle.
    const blocker = new pg.Client({ connectionString: url });
    await blocker.connect();
    await blocker.query("BEGIN");
    await blocker.query("CREATE TABLE sessions (blocked boolean)");
    const killed = migrate(url, silent).then(
      () => "finished",
      () => "killed",
    );
    const waiting = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    await expect.poll(async () => (await db.query(waiting)).rowCount, { timeout: 10_000 }).toBe(1);
    const before = await applied(db);
    expect(before.length).toBeGreaterThan(0);
    expect(before.length).toBeLessThan((await fileNames()).length);

    const waiters = [migrate(url, silent), migrate(url, silent)];
    await db.query(`SELECT pg_terminate_backend(pid) FROM (${waiting} AND wait_event <> 'advisory') AS holder`);
    expect(await killed).toBe("killed");
    await blocker.query("ROLLBACK");
    await blocker.end();

    const counts = await Promise.all(waiters);
    const names = await fileNames();
    expect(counts.toSorted()).toStrictEqual([0, names.length - before.length]);
    expect(await applied(db)).toStrictEqual(names);
  });
});
