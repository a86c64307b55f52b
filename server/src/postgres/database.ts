import pg from "pg";
import { AuthError } from "../domain/errors.ts";
import { constraintError } from "./constraints.ts";
import { isOutage } from "./outages.ts";

export type Database = pg.Pool;
/** What a statement runs on: the pool, or the one connection of a transaction. */
export type Queryable = Pick<pg.Pool, "query">;

/** A statement that the server prepares once a connection, by name. */
export type Statement<Row> = { name: string; text: string; readonly row?: Row };

export function statement<Row>(name: string, text: string): Statement<Row> {
  return { name, text };
}

export type DatabaseOptions = { url: string; poolSize: number; onError(error: Error): void };

/** How long a statement may take, the wait for a connection included. The server gives up at the same time. */
export const ANSWER_MS = 1_000;
const CONNECT_MS = 800;
/** For work in bulk, which nobody waits for. */
const BULK_MS = 60_000;

/** A pool that waits for nothing without a limit: a database that does not answer is `unavailable` in a second. */
export function openDatabase(options: DatabaseOptions): Database {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.poolSize,
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: ANSWER_MS,
    statement_timeout: ANSWER_MS,
    idle_in_transaction_session_timeout: 5 * ANSWER_MS,
    keepAlive: true,
    application_name: "sello",
  });
  // An idle connection that the server ends tells the pool, not a query; the pool opens another when one is asked for.
  pool.on("error", options.onError);
  return pool;
}

/**
 * Runs one prepared statement.
 * @throws AuthError the reason of a broken constraint, or `unavailable` when the database does not answer within a second. Any
 * other error is a bug, and thrown as it is.
 */
export async function run<Row>(db: Queryable, query: Statement<Row>, values: unknown[]): Promise<Row[]> {
  const { name, text } = query;
  if (!(db instanceof pg.Pool)) return send<Row>(db, { name, text, values });
  const deadline = performance.now() + ANSWER_MS;
  return withConnection(db, (client) => {
    const left = Math.max(ANSWER_MS - CONNECT_MS, deadline - performance.now());
    return send<Row>(client, { name, text, values, query_timeout: left });
  });
}

export async function runOne<Row>(db: Queryable, query: Statement<Row>, values: unknown[]): Promise<Row | undefined> {
  const [row] = await run(db, query, values);
  return row;
}

/** The same for a statement over many rows, which may take a minute. */
export function runInBulk<Row>(db: Database, query: Statement<Row>, values: unknown[]): Promise<Row[]> {
  return inTransaction(db, async (transaction) => {
    await send(transaction, { text: `SET LOCAL statement_timeout = ${BULK_MS}` });
    return send<Row>(transaction, { name: query.name, text: query.text, values, query_timeout: BULK_MS });
  });
}

export type SnapshotRead = <Row>(query: Statement<Row>, values: unknown[]) => Promise<Row[]>;

/** Reads again and again from the database as it was at one moment. Each statement may take a minute, and nothing is written. */
export function inSnapshot<T>(db: Database, task: (read: SnapshotRead) => Promise<T>): Promise<T> {
  return inTransaction(db, async (transaction) => {
    await send(transaction, { text: "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY" });
    await send(transaction, { text: `SET LOCAL statement_timeout = ${BULK_MS}` });
    await send(transaction, { text: `SET LOCAL idle_in_transaction_session_timeout = ${BULK_MS}` });
    return task(({ name, text }, values) => send(transaction, { name, text, values, query_timeout: BULK_MS }));
  });
}

/** The unit of work: what `task` writes commits together, or not at all when it throws. */
export function inTransaction<T>(db: Database, task: (transaction: Queryable) => Promise<T>): Promise<T> {
  return withConnection(db, async (client) => {
    await send(client, { text: "BEGIN" });
    try {
      const result = await task(client);
      await send(client, { text: "COMMIT" });
      return result;
    } catch (error) {
      // A connection that is lost or silent is closed instead, which rolls back too.
      if (!unusable.has(client)) await send(client, { text: "ROLLBACK" });
      throw error;
    }
  });
}

/** Whether the database answers. */
export async function pingDatabase(db: Database): Promise<boolean> {
  try {
    await run(db, PING, []);
    return true;
  } catch {
    return false;
  }
}

const PING = statement("ping", "SELECT 1");

/** Connections that are lost, silent, or in a state that nobody knows: they do not go back into the pool. */
const unusable = new WeakSet<object>();

/** Lends a connection. */
async function withConnection<T>(db: Database, task: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await db.connect().catch((error: unknown) => {
    throw translate(error);
  });
  client.on("error", ignore);
  try {
    return await task(client);
  } finally {
    client.off("error", ignore);
    client.release(unusable.has(client));
  }
}

/** A lent connection that is lost between two statements says so; the next statement fails, and nobody else needs to know. */
function ignore(): void {}

async function send<Row>(db: Queryable, query: pg.QueryConfig & { query_timeout?: number }): Promise<Row[]> {
  try {
    return (await db.query(query)).rows as Row[];
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || isOutage(error)) unusable.add(db);
    throw translate(error);
  }
}

function translate(error: unknown): unknown {
  if (isOutage(error)) return new AuthError("unavailable", { cause: error });
  return (error instanceof pg.DatabaseError ? constraintError(error.constraint) : undefined) ?? error;
}
