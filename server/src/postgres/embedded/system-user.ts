import { readFile, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { isErrno } from "./processes.ts";

export type User = { uid: number; gid: number };

/**
 * The user who has to run PostgreSQL in place of root, which it refuses: the data folder's owner, else `postgres`, else
 * `nobody`. `undefined` when this process is not root and can run it itself. Throws when the folder is someone else's.
 */
export async function chooseUser(dataDir: string): Promise<User | undefined> {
  const me = process.getuid?.();
  const owner = await ownerOf(dataDir);
  if (me !== 0) {
    if (owner === undefined || owner.uid === me) return undefined;
    throw new Error(
      `${dataDir} belongs to uid ${owner.uid}, but this process is uid ${me}: start it as root or as that user`,
    );
  }
  if (owner !== undefined && owner.uid !== 0) return owner;

  const user = (await systemUser("postgres")) ?? (await systemUser("nobody"));
  if (user === undefined) {
    throw new Error("PostgreSQL does not run as root, and there is no user postgres or nobody: set DATABASE_URL");
  }
  return user;
}

/** Whether the permission bits let the user come to the file or folder and open it. */
export async function mayReach(user: User, path: string): Promise<boolean> {
  const { mode, uid, gid } = await stat(path);
  const shift = uid === user.uid ? 6 : gid === user.gid ? 3 : 0;
  if (((mode >> shift) & 0o1) === 0) return false;
  const parent = dirname(path);
  return parent === path || mayReach(user, parent);
}

async function ownerOf(path: string): Promise<User | undefined> {
  try {
    const { uid, gid } = await stat(path);
    return { uid, gid };
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** passwd(5): name:password:uid:gid:… */
async function systemUser(name: string): Promise<User | undefined> {
  const lines = (await readFile("/etc/passwd", "utf8")).split("\n");
  const fields = lines.map((line) => line.split(":")).find(([first]) => first === name);
  return fields && { uid: Number(fields[2]), gid: Number(fields[3]) };
}
