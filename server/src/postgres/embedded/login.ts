import pg from "pg";
import { superuser } from "./cluster.ts";

export type Login = { password: string };

/** Names user, password, port and database. A secret. */
export function urlOf({ port, password }: Login & { port: number }, database: string): string {
  return `postgres://${superuser}:${encodeURIComponent(password)}@127.0.0.1:${port}/${encodeURIComponent(database)}`;
}

/** Runs the work on a connection to the maintenance database `postgres`, and closes it in every case. */
export async function connected<T>(
  login: Login & { port: number },
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({
    ...login,
    host: "127.0.0.1",
    user: superuser,
    database: "postgres",
    connectionTimeoutMillis: 2_000,
  });
  // Without a listener, a server that dies between two queries would end this process.
  client.on("error", () => {});
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
