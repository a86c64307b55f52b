import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { StoredKey } from "./key-file.ts";

const SUFFIX = ".jwk.json";
const LOCK_FILE = ".rotation.lock";
const LOCK_TRIES = 300;
const LOCK_RETRY_MS = 100;
const LOCK_STALE_MS = 60_000;

/** A folder of key files, one JWK a file, mode 0600. Files appear and change whole: they are renamed into place. */
export type KeyFolder = {
  read(): Promise<StoredKey[]>;
  write(key: StoredKey): Promise<void>;
  /** Overwrites the private part before the file goes. */
  erase(key: StoredKey): Promise<void>;
  /** What changes when the folder changes. */
  fingerprint(): Promise<string>;
  /** Runs alone among all processes that share the folder. */
  locked<T>(task: () => Promise<T>): Promise<T>;
};

export async function openKeyFolder(path: string): Promise<KeyFolder> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  const keyFiles = async () => (await readdir(path)).filter((name) => name.endsWith(SUFFIX)).sort();
  const fileOf = (key: StoredKey) => join(path, `${key.use}-${key.alg.replace("+", "_")}-${key.kid}${SUFFIX}`);

  return {
    async read() {
      const files = await keyFiles();
      const read = await Promise.all(files.map((name) => readKeyFile(join(path, name))));
      return read.filter((key) => key !== undefined);
    },

    async write(key) {
      const file = fileOf(key);
      const temporary = `${file}.${process.pid}.tmp`;
      await writeFile(temporary, `${JSON.stringify(key, null, 2)}\n`, { mode: 0o600, flush: true });
      await rename(temporary, file);
    },

    async erase(key) {
      const file = fileOf(key);
      const { size } = await stat(file);
      await writeFile(file, Buffer.alloc(size), { flag: "r+", flush: true });
      await rm(file);
    },

    async fingerprint() {
      const files = await keyFiles();
      const stats = await Promise.all(
        files.map(async (name) => {
          const found = await stat(join(path, name)).catch(ignoreMissing);
          return `${name}:${found?.mtimeMs}:${found?.ino}`;
        }),
      );
      return stats.join("\n");
    },

    async locked(task) {
      const lock = join(path, LOCK_FILE);
      await takeLock(lock);
      try {
        return await task();
      } finally {
        await rm(lock, { force: true });
      }
    },
  };
}

/** Undefined for a file that another process erased meanwhile. */
async function readKeyFile(file: string): Promise<StoredKey | undefined> {
  const text = await readFile(file, "utf8").catch(ignoreMissing);
  if (text === undefined || text.startsWith("\0")) return undefined;
  try {
    return JSON.parse(text) as StoredKey;
  } catch {
    throw new Error(`${file} is not a key file: it does not parse as JSON`);
  }
}

async function takeLock(lock: string): Promise<void> {
  for (let tries = 0; tries < LOCK_TRIES; tries++) {
    try {
      const handle = await open(lock, "wx", 0o600);
      await handle.writeFile(`${hostname()} ${process.pid}\n`);
      await handle.close();
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    if (await isStale(lock)) await rm(lock, { force: true });
    else await wait(LOCK_RETRY_MS);
  }
  throw new Error(`another process holds ${lock}; remove the file if none runs`);
}

/** Left behind by a process of this host that is gone, or by any that took it longer ago than a rotation lasts. */
async function isStale(lock: string): Promise<boolean> {
  const [text, found] = await Promise.all([
    readFile(lock, "utf8").catch(ignoreMissing),
    stat(lock).catch(ignoreMissing),
  ]);
  if (text === undefined || found === undefined) return false;
  if (performance.timeOrigin + performance.now() - found.mtimeMs > LOCK_STALE_MS) return true;
  const [host, pid] = text.trim().split(" ");
  return host === hostname() && pid !== undefined && !isAlive(Number(pid));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
  return undefined;
}
