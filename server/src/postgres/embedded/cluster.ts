import { once } from "node:events";
import { access, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { isErrno } from "./processes.ts";
import type { Programs } from "./programs.ts";

/** The superuser's name, and the only role there is. */
export const superuser = "sello";

type Options = { dataDir: string; programs: Programs; randomPassword: () => string; log: (line: string) => void };

/**
 * Makes sure that the data folder holds an initialised cluster, and answers the superuser's password, which lives in
 * `<dataDir>-password`, readable only by the owner. A folder is complete or absent: it is built beside its final name.
 */
export async function prepareCluster(options: Options): Promise<string> {
  const passwordFile = `${options.dataDir}-password`;
  const known = await readPassword(passwordFile);
  await clearAbandoned(options.dataDir);
  if (await exists(join(options.dataDir, "PG_VERSION"))) {
    if (known !== undefined) return known;
    throw new Error(
      `${passwordFile} is missing: put it back, or remove ${options.dataDir} to begin with an empty database`,
    );
  }

  options.log(`creating a PostgreSQL database in ${options.dataDir}`);
  const password = known ?? options.randomPassword();
  await writePassword(passwordFile, password, options.programs);
  await initialise(options, passwordFile);
  return password;
}

async function initialise({ dataDir, programs }: Options, passwordFile: string): Promise<void> {
  const draft = await mkdtemp(draftPrefix(dataDir));
  await programs.handOver(draft);
  // The builtin provider sorts and folds case the same on every platform, and asks neither libc nor ICU.
  const child = await programs.run(
    "initdb",
    [
      `--pgdata=${draft}`,
      `--username=${superuser}`,
      `--pwfile=${passwordFile}`,
      "--auth=scram-sha-256",
      "--encoding=UTF8",
      "--locale=C",
      "--locale-provider=builtin",
      "--builtin-locale=C.UTF-8",
      "--no-instructions",
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  const [said, [code]] = await Promise.all([child.stderr ? text(child.stderr) : "", once(child, "close")]);
  if (code !== 0) throw new Error(`initdb failed: ${said.trim()}${programs.hint}`);
  await rename(draft, dataDir);
}

/** What starts that were killed half way left behind. Their initdb may still be writing, hence the retries. */
async function clearAbandoned(dataDir: string): Promise<void> {
  const prefix = basename(draftPrefix(dataDir));
  const names = await readdir(dirname(dataDir));
  const drafts = names.filter((name) => name.startsWith(prefix)).map((name) => join(dirname(dataDir), name));
  await Promise.all(drafts.map((path) => rm(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })));
}

function draftPrefix(dataDir: string): string {
  return `${dataDir}.initdb-`;
}

/** What `<dataDir>-password` holds; undefined without such a file. */
export async function readPassword(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** Renamed into place, so that a kill cannot leave half a password. */
async function writePassword(path: string, password: string, programs: Programs): Promise<void> {
  const draft = `${path}.new`;
  await rm(draft, { force: true });
  await writeFile(draft, password, { mode: 0o600, flush: true });
  await programs.handOver(draft);
  await rename(draft, path);
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    throw error;
  }
}
