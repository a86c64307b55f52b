import { rm } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { connected, type Login } from "./login.ts";
import { type Postmaster, pidFile, readPidFile } from "./postmaster.ts";
import { follow } from "./processes.ts";

/** How long a process may stay silent on its port, and how long a server may recover or shut down, in milliseconds. */
const patience = { silent: 1_000, busy: 60_000 };

/**
 * The server of this folder, when a process that was killed left it running. Waits for one that is just coming or going.
 * Call it only under the folder's lock.
 */
export async function findLeftBehind(dataDir: string, login: Login): Promise<Postmaster | undefined> {
  const start = performance.now();
  for (;;) {
    const file = await readPidFile(dataDir);
    if (file === undefined) return undefined;
    const { pid, port, head } = file;
    const lives = follow(pid);
    const answer = lives() ? await ask({ ...login, port }, head) : "nobody";

    if (answer === "ours") return { pid, port, lives };
    if (answer === "stranger") return undefined;
    if (answer === "nobody" || (answer === "silent" && performance.now() - start > patience.silent)) break;
    if (performance.now() - start > patience.busy) {
      throw new Error(`the PostgreSQL server (pid ${pid}) of ${dataDir} is neither ready nor gone after a minute`);
    }
    await pause(50);
  }
  // PostgreSQL would refuse to start where the pid belongs to an unrelated process of the same user by now. It has a
  // second guard, a shared memory segment named after the folder, so a server that does live is safe from us.
  await rm(pidFile(dataDir), { force: true });
  return undefined;
}

/** Whether the server on that port is the one that wrote this head of a `postmaster.pid`, and is ready. */
export async function isOurs(login: Login & { port: number }, head: string): Promise<boolean> {
  return (await ask(login, head)) === "ours";
}

/** The server that reads our `postmaster.pid` as its own is the one that wrote it, whatever the path it was started by. */
async function ask(login: Login & { port: number }, head: string): Promise<"ours" | "stranger" | "busy" | "silent"> {
  try {
    const { rows } = await connected(login, (client) =>
      client.query("SELECT pg_read_file('postmaster.pid') AS content"),
    );
    return String(rows[0]?.content).startsWith(head) ? "ours" : "stranger";
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) return "silent";
    // 57P03 cannot_connect_now: it starts, recovers or shuts down.
    return error.code === "57P03" ? "busy" : "stranger";
  }
}
