import pg from "pg";

/** PostgreSQL's own refusals that pass by themselves: connections, shutdown, resources, time-outs, read-only after a failover. */
const PASSING_CLASSES = /^(08|53|57|58)|^25006$|^40001$|^40P01$/;

/** What Node says of a network, a name or a socket that fails; ENOENT is a Unix socket whose server is gone. */
const NETWORK = new Set([
  "EADDRNOTAVAIL",
  "EAI_AGAIN",
  "ECONNABORTED",
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTDOWN",
  "EHOSTUNREACH",
  "EMFILE",
  "ENETDOWN",
  "ENETRESET",
  "ENETUNREACH",
  "ENFILE",
  "ENOBUFS",
  "ENOENT",
  "ENOTCONN",
  "ENOTFOUND",
  "EPIPE",
  "ETIMEDOUT",
  "ERR_STREAM_DESTROYED",
  "ERR_STREAM_WRITE_AFTER_END",
  "ERR_SOCKET_CLOSED",
]);

/** What pg and its pool say of a connection or its time. They have no codes for it. */
const OF_PG = new Set([
  "Query read timeout",
  "timeout exceeded when trying to connect",
  "timeout expired",
  "There was an error establishing an SSL connection",
  "Connection terminated",
  "Connection terminated unexpectedly",
  "Connection terminated due to connection timeout",
  "Client has encountered a connection error and is not queryable",
  "Client was closed and is not queryable",
  "Cannot use a pool after calling end on the pool",
]);

/** Whether an error of pg says that the database cannot be reached or cannot answer now. Any other is somebody's mistake. */
export function isOutage(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = (error as NodeJS.ErrnoException).code ?? "";
  return error instanceof pg.DatabaseError ? PASSING_CLASSES.test(code) : NETWORK.has(code) || OF_PG.has(error.message);
}
