import { once } from "node:events";
import { open, readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { follow, isErrno, within } from "./processes.ts";
import type { Programs } from "./programs.ts";

/** PostgreSQL's main process. `lives` asks about this very process, not about a later one with its pid. */
export type Postmaster = { pid: number; port: number; lives: () => boolean };

/** For one developer or a small machine. Given on the command line, so they also reach folders that exist already. */
const settings = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  max_connections: "100",
  shared_buffers: "64MB",
  timezone: "UTC",
  log_timezone: "UTC",
  log_checkpoints: "off",
};

/** Crash recovery replays at most max_wal_size, one gigabyte. */
const startPatience = 60_000;
const logLimit = 10 * 1024 * 1024;

type Options = { dataDir: string; logFile: string; programs: Programs };

/**
 * Starts the server of a folder on 127.0.0.1, on a free port or on one that it had before. Rejects with what the server said
 * when it gives up.
 */
export async function startPostmaster(options: Options, port?: number): Promise<Postmaster> {
  for (let attempt = 1; ; attempt++) {
    const outcome = await launch(options, port ?? (await freePort()));
    if ("pid" in outcome) return outcome;
    // The port was snatched, or the processes of a server that was killed are still on their way out.
    const passing = /already in use|still in use/.test(outcome.said);
    if (attempt === 3 || !passing) {
      throw new Error(`PostgreSQL did not start, see ${options.logFile}: ${outcome.said}${options.programs.hint}`);
    }
  }
}

/** Asks the server to end at once but cleanly, then harshly. False when it is still there after 15 seconds. */
export async function stopPostmaster({ pid, lives }: Pick<Postmaster, "pid" | "lives">): Promise<boolean> {
  return (await end("SIGINT", 10_000)) || (await end("SIGQUIT", 5_000));

  async function end(signal: NodeJS.Signals, patience: number): Promise<boolean> {
    try {
      if (lives()) process.kill(pid, signal);
    } catch (error) {
      // It ended between the question and the signal.
      if (!isErrno(error, "ESRCH")) throw error;
    }
    return within(patience, () => !lives());
  }
}

/** What `postmaster.pid` says: pid, folder, start time, port, and further below the state; `undefined` without one. */
export async function readPidFile(dataDir: string) {
  try {
    const content = await readFile(pidFile(dataDir), "utf8");
    const lines = content.split("\n").map((line) => line.trim());
    return {
      pid: Number(lines[0]),
      port: Number(lines[3]),
      ready: lines[7] === "ready",
      head: lines.slice(0, 4).join("\n"),
    };
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

export function pidFile(dataDir: string): string {
  return join(dataDir, "postmaster.pid");
}

async function launch({ dataDir, logFile, programs }: Options, port: number): Promise<Postmaster | { said: string }> {
  const args = Object.entries({ ...settings, port }).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const log = await open(logFile, "a", 0o600);
  try {
    await programs.handOver(logFile);
    if ((await log.stat()).size > logLimit) await log.truncate();
    const { size } = await log.stat();
    // A group of its own: Ctrl-C in the terminal must reach node first, which then closes its pool and calls stop().
    // A file, not a pipe: the server may outlive this process.
    const child = await programs.run("postgres", ["-D", dataDir, ...args], {
      detached: true,
      stdio: ["ignore", log.fd, log.fd],
    });
    child.unref();

    const pid = child.pid ?? 0;
    const lives = follow(pid);
    const ready = await within(startPatience, async () => !lives() || (await isReady(dataDir, pid)));
    if (ready && lives()) return { pid, port, lives };
    await stopPostmaster({ pid, lives });
    return { said: await lastWords(logFile, size) };
  } finally {
    await log.close();
  }
}

async function isReady(dataDir: string, pid: number): Promise<boolean> {
  const file = await readPidFile(dataDir);
  return file !== undefined && file.pid === pid && file.ready;
}

async function lastWords(logFile: string, from: number): Promise<string> {
  const written = (await readFile(logFile)).subarray(from).toString("utf8").trim();
  return written.split("\n").slice(-5).join("\n");
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  if (address === null || typeof address === "string") throw new Error("a TCP server has a numbered port");
  return address.port;
}
