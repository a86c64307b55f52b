import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, rmdir, stat, unlink, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";

const TRIES = 300;
const RETRY_MS = 100;
const STALE_MS = 60_000;

/** The owners that this process is. A lock in its name that is not among them is of a process that had its number before. */
const ours = new Set<string>();

/**
 * Runs a task alone among all processes that share a path. The lock is a folder that holds one file, named for its owner: it
 * is renamed into place, which succeeds only while there is no lock or an empty one, and whoever takes a dead owner's lock over
 * deletes that owner's file and can hit no other's.
 */
export async function withLock<T>(lock: string, task: () => Promise<T>): Promise<T> {
  const owner = randomUUID();
  ours.add(owner);
  try {
    await takeLock(lock, owner);
    return await task();
  } finally {
    await dropOwner(lock, owner);
    ours.delete(owner);
  }
}

async function takeLock(lock: string, owner: string): Promise<void> {
  const prepared = `${lock}.${owner}`;
  await mkdir(prepared, { mode: 0o700 });
  try {
    await writeFile(join(prepared, owner), `${hostname()} ${process.pid}\n`, { mode: 0o600 });
    for (let tries = 0; tries < TRIES; tries++) {
      if (await renameUnlessHeld(prepared, lock)) return;
      const stale = await findStaleOwner(lock);
      if (stale === undefined) await wait(RETRY_MS);
      else await dropOwner(lock, stale);
    }
  } finally {
    await rm(prepared, { recursive: true, force: true });
  }
  throw new Error(`another process holds ${lock}; remove it if none runs`);
}

async function renameUnlessHeld(prepared: string, lock: string): Promise<boolean> {
  try {
    await rename(prepared, lock);
    return true;
  } catch (error) {
    if (!isOneOf(error, "EEXIST", "ENOTEMPTY")) throw error;
    return false;
  }
}

/** Without effect on a lock that has another owner by now. */
async function dropOwner(lock: string, owner: string): Promise<void> {
  await unlink(join(lock, owner)).catch(ignore("ENOENT"));
  await rmdir(lock).catch(ignore("ENOENT", "EEXIST", "ENOTEMPTY"));
}

/** Who left the lock behind: a process of this host that is gone, or any that took it longer ago than a rotation lasts. */
async function findStaleOwner(lock: string): Promise<string | undefined> {
  const [owner] = (await readdir(lock).catch(ignore("ENOENT"))) ?? [];
  if (owner === undefined) return undefined;
  const file = join(lock, owner);
  const [text, found] = await Promise.all([
    readFile(file, "utf8").catch(ignore("ENOENT")),
    stat(file).catch(ignore("ENOENT")),
  ]);
  if (text === undefined || found === undefined) return undefined;
  const isOld = performance.timeOrigin + performance.now() - found.mtimeMs > STALE_MS;
  const [host, pid] = text.trim().split(" ");
  return isOld || (host === hostname() && !isAlive(Number(pid), owner)) ? owner : undefined;
}

function isAlive(pid: number, owner: string): boolean {
  if (pid === process.pid) return ours.has(owner);
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return isOneOf(error, "EPERM");
  }
}

function ignore(...codes: string[]): (error: unknown) => undefined {
  return (error) => {
    if (!isOneOf(error, ...codes)) throw error;
    return undefined;
  };
}

function isOneOf(error: unknown, ...codes: string[]): boolean {
  return codes.includes((error as NodeJS.ErrnoException).code ?? "");
}
