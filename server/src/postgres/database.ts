import pg from "pg";
import { AuthError } from "../domain/errors.ts";
import { constraintError } from "./constraints.ts";

export type Database = pg.Pool;
/** What a statement runs on: the pool, or the one connection of a transaction. */
export type Queryable = Pick<pg.Pool, "query">;

/** A statement that the server prepares once a connection, by name. */
export type Statement<Row> = { name: string; text: string; readonly row?: Row };

export function statement<Row>(name: string, text: string): Statement<Row> {
  return { name, text };
}

export type DatabaseOptions = { url: string; poolSize: number; onError(error: Error): void };

const CONNECT_TIMEOUT_MS = 800;
const QUERY_TIMEOUT_MS = 5_000;

/** A pool that waits for nothing without a limit: a database that does not answer is `unavailable` in under a second. */
export function openDatabase(options: DatabaseOptions): Database {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.poolSize,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
    statement_timeout: QUERY_TIMEOUT_MS,
    idle_in_transaction_session_timeout: QUERY_TIMEOUT_MS,
    keepAlive: true,
    application_name: "sello",
  });
  // An idle connection that the server ends tells the pool, not a query; the pool opens another when one is asked for.
  pool.on("error", options.onError);
  return pool;
}

/**
 * Runs one prepared statement.
 * @throws AuthError the reason of a broken constraint, or `unavailable` when the database does not answer.
 */
export async function run<Row>(db: Queryable, query: Statement<Row>, values: unknown[]): Promise<Row[]> {
  try {
    const result = await db.query({ name: query.name, text: query.text, values });
    return result.rows as Row[];
  } catch (error) {
    throw translate(error);
  }
}

export async function runOne<Row>(db: Queryable, query: Statement<Row>, values: unknown[]): Promise<Row | undefined> {
  const [row] = await run(db, query, values);
  return row;
}

/** The unit of work: what `task` writes commits together, or not at all when it throws. */
export async function inTransaction<T>(db: Database, task: (transaction: Queryable) => Promise<T>): Promise<T> {
  const client = await db.connect().catch((error: unknown) => {
    throw translate(error);
  });
  let broken: Error | undefined;
  try {
    await client.query("BEGIN");
    const result = await task(client);
    await client.query("COMMIT");
    return result;
  } catch (error) {
    await client.query("ROLLBACK").catch((failure: Error) => {
      broken = failure;
    });
    throw error instanceof AuthError ? error : translate(error);
  } finally {
    client.release(broken);
  }
}

/** Whether the database answers. */
export async function pingDatabase(db: Database): Promise<boolean> {
  try {
    await db.query("SELECT 1");
    return true;
  } catch {
    return false;
  }
}

/** PostgreSQL's own refusals that pass by themselves: connections, shutdown, resources, time-outs, read-only after a failover. */
const PASSING_CLASSES = /^(08|53|57|58)|^25006$|^40001$|^40P01$/;

function translate(error: unknown): unknown {
  if (!(error instanceof pg.DatabaseError)) return new AuthError("unavailable", { cause: error });
  if (error.code !== undefined && PASSING_CLASSES.test(error.code)) return new AuthError("unavailable", { cause: error });
  return constraintError(error.constraint) ?? error;
}
