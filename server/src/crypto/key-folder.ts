import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { KEY_FILE_SUFFIX, keyFileName, parseStoredKey, type StoredKey } from "./key-file.ts";
import { withLock } from "./key-lock.ts";

const LOCK = ".lock";
const UNFINISHED = ".tmp";

/** A folder of key files, one JWK a file, mode 0600. Files appear and change whole: they are renamed into place. */
export type KeyFolder = {
  /** The keys as they were together at one moment. @throws Error that names the file when one holds no key. */
  read(): Promise<StoredKey[]>;
  /** The same, with the files that hold no key apart. */
  readWhole(): Promise<{ keys: StoredKey[]; malformed: MalformedKeyFile[] }>;
  write(key: StoredKey): Promise<void>;
  /** Overwrites the private part before the file goes. */
  erase(key: StoredKey): Promise<void>;
  /** What changes when the folder changes. */
  fingerprint(): Promise<string>;
  /** Runs alone among all processes that share the folder. */
  locked<T>(task: () => Promise<T>): Promise<T>;
};

/** A file that has a key file's name and holds no key; the message names it. */
export class MalformedKeyFile extends Error {
  override readonly name = "MalformedKeyFile";
  readonly file: string;

  constructor(path: string, file: string, problem: string) {
    super(`${join(path, file)} is not a key file: ${problem}`);
    this.file = file;
  }
}

export async function openKeyFolder(path: string): Promise<KeyFolder> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  const keyFiles = async () => (await readdir(path)).filter((name) => name.endsWith(KEY_FILE_SUFFIX)).sort();

  async function fingerprint(): Promise<string> {
    const files = await keyFiles();
    const stats = await Promise.all(
      files.map(async (name) => {
        const found = await stat(join(path, name)).catch(ignoreMissing);
        return `${name}:${found?.mtimeMs}:${found?.ino}`;
      }),
    );
    return stats.join("\n");
  }

  async function readWhole() {
    for (;;) {
      const before = await fingerprint();
      const read = await Promise.all((await keyFiles()).map((name) => readKeyFile(path, name)));
      if (before !== (await fingerprint())) continue;
      const malformed = read.filter((found) => found instanceof MalformedKeyFile);
      const keys = read.filter(
        (found): found is StoredKey => found !== undefined && !(found instanceof MalformedKeyFile),
      );
      return { keys, malformed };
    }
  }

  /** What a dead process did not finish holds private keys. Only the owner of the lock writes: nobody else is at it now. */
  async function removeUnfinished(): Promise<void> {
    const names = (await readdir(path)).filter((name) => name.endsWith(UNFINISHED));
    await Promise.all(names.map((name) => rm(join(path, name), { force: true })));
  }

  return {
    fingerprint,

    async read() {
      const { keys, malformed } = await readWhole();
      if (malformed[0] !== undefined) throw malformed[0];
      return keys;
    },
    readWhole,

    async write(key) {
      const file = join(path, keyFileName(key));
      const unfinished = `${file}.${process.pid}${UNFINISHED}`;
      await writeFile(unfinished, `${JSON.stringify(key, null, 2)}\n`, { mode: 0o600, flush: true });
      await rename(unfinished, file);
    },

    async erase(key) {
      const file = join(path, keyFileName(key));
      const { size } = await stat(file);
      await writeFile(file, Buffer.alloc(size), { flag: "r+", flush: true });
      await rm(file);
    },

    locked: (task) =>
      withLock(join(path, LOCK), async () => {
        await removeUnfinished();
        return task();
      }),
  };
}

/** Undefined for a file that another process erases meanwhile. */
async function readKeyFile(path: string, name: string): Promise<StoredKey | MalformedKeyFile | undefined> {
  const text = await readFile(join(path, name), "utf8").catch(ignoreMissing);
  if (text === undefined || text.startsWith("\0")) return undefined;
  try {
    return parseStoredKey(name, text);
  } catch (error) {
    return new MalformedKeyFile(path, name, (error as Error).message);
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
  return undefined;
}
