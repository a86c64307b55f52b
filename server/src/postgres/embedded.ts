import { mkdir } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import pg from "pg";
import { prepareCluster } from "./embedded/cluster.ts";
import { lockFolder } from "./embedded/folder-lock.ts";
import { findLeftBehind } from "./embedded/left-behind.ts";
import { connected, urlOf } from "./embedded/login.ts";
import { type Postmaster, startPostmaster, stopPostmaster } from "./embedded/postmaster.ts";
import { findPrograms } from "./embedded/programs.ts";

export type EmbeddedPostgres = {
  /** Names user, password, port and database. A secret. */
  url: string;
  /** Whether the server was already running, left behind by a process that was killed. */
  reused: boolean;
  /** Ends the server within 15 seconds and frees the folder. Close the pools first. Later calls share the first. */
  stop(): Promise<void>;
};

export type EmbeddedPostgresOptions = {
  /** Where the rows live, such as `.data/postgres`. `-password`, `.log` and `.lock` are appended for its companions. */
  dataDir: string;
  log: (line: string) => void;
  /** Told when the server ended by itself, and when it runs again. */
  warn: (line: string) => void;
  /** Called once in a folder's life. Never logged. */
  randomPassword: () => string;
  database?: string;
};

/**
 * Runs the PostgreSQL that npm installed, on 127.0.0.1 and a free port, with its rows in a folder that is created when
 * missing. For development and single machines: it lives and dies with this process, and when it dies before, it is started
 * again on the same port. One process a folder; the second one is refused.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const dataDir = resolve(options.dataDir);
  const logFile = `${dataDir}.log`;
  const { log, warn, randomPassword, database = "sello" } = options;

  await mkdir(dirname(dataDir), { recursive: true });
  const unlock = await lockFolder(dataDir);
  let postmaster: Postmaster | undefined;
  try {
    const programs = await findPrograms(dataDir);
    const password = await prepareCluster({ dataDir, programs, randomPassword, log });
    const leftBehind = await findLeftBehind(dataDir, { password });
    postmaster = leftBehind ?? (await startPostmaster({ dataDir, logFile, programs }));
    await ensureDatabase({ port: postmaster.port, password }, database);
    return {
      url: urlOf({ port: postmaster.port, password }, database),
      reused: leftBehind !== undefined,
      stop: keepAlive(postmaster, {
        log,
        warn,
        logFile,
        unlock,
        restart: (port) => startPostmaster({ dataDir, logFile, programs }, port),
      }),
    };
  } catch (error) {
    if (postmaster !== undefined) await stopPostmaster(postmaster);
    await unlock();
    throw error;
  }
}

async function ensureDatabase(login: { port: number; password: string }, name: string): Promise<void> {
  await connected(login, async (client) => {
    const { rowCount } = await client.query("SELECT 1 FROM pg_database WHERE datname = $1", [name]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${pg.escapeIdentifier(name)}`);
  });
}

type Aftercare = Pick<EmbeddedPostgresOptions, "log" | "warn"> & {
  logFile: string;
  unlock: () => Promise<void>;
  restart: (port: number) => Promise<Postmaster>;
};

/** Starts the server again when it ends by itself, until the returned function is called. */
function keepAlive(first: Postmaster, { log, warn, logFile, unlock, restart }: Aftercare): () => Promise<void> {
  let postmaster = first;
  let restarting: Promise<void> | undefined;
  const revive = async () => {
    warn(`PostgreSQL (pid ${postmaster.pid}) ended unexpectedly, see ${logFile}; it is started again`);
    try {
      postmaster = await restart(postmaster.port);
      warn(`PostgreSQL runs again (pid ${postmaster.pid})`);
    } catch (error) {
      warn(`PostgreSQL could not be started again: ${(error as Error).message}`);
    }
    restarting = undefined;
  };
  const watch = setInterval(() => {
    if (restarting === undefined && !postmaster.lives()) restarting = revive();
  }, 500).unref();

  let stopped: Promise<void> | undefined;
  return () => {
    stopped ??= stop();
    return stopped;
  };

  async function stop(): Promise<void> {
    clearInterval(watch);
    await restarting;
    if (!(await stopPostmaster(postmaster))) log(`PostgreSQL (pid ${postmaster.pid}) does not stop, see ${logFile}`);
    await unlock();
  }
}
