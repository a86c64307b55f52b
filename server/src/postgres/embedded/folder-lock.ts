import { readlink, rename, symlink, unlink } from "node:fs/promises";
import { birthmark, isErrno } from "./processes.ts";

/**
 * Makes this process the only one that may start or stop the server of a folder, until the returned function is called.
 * A lock whose holder is dead is taken over. Throws, naming the holder, while the holder lives.
 *
 * The lock is a symbolic link `<folder>.lock` to "pid:birthmark", because a link appears together with what it says;
 * a file would be empty for a moment, and for ever if we were killed in that moment.
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const path = `${folder}.lock`;
  const mine = `${process.pid}:${birthmark(process.pid)}`;
  while (!(await link(mine, path))) {
    const holder = await read(path);
    if (holder === undefined) continue;
    if (lives(holder)) throw inUse(folder, holder);
    await discard(path, holder, folder);
  }
  return async () => {
    if ((await read(path)) === mine) await unlink(path);
  };
}

/** Another process may have taken the dead holder's lock over since we read it; then its new lock is put back. */
async function discard(path: string, holder: string, folder: string): Promise<void> {
  const aside = `${path}.${process.pid}`;
  try {
    await rename(path, aside);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return;
    throw error;
  }
  const taken = await read(aside);
  await unlink(aside);
  if (taken === undefined || taken === holder) return;
  await link(taken, path);
  throw inUse(folder, taken);
}

async function link(content: string, path: string): Promise<boolean> {
  try {
    await symlink(content, path);
    return true;
  } catch (error) {
    if (isErrno(error, "EEXIST")) return false;
    throw error;
  }
}

async function read(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

function lives(holder: string): boolean {
  const [pid, mark] = holder.split(":");
  return birthmark(Number(pid)) === mark;
}

function inUse(folder: string, holder: string): Error {
  const pid = holder.split(":")[0];
  return new Error(
    `${folder} is in use by another sello process (pid ${pid}): stop it, or give this one another folder`,
  );
}
