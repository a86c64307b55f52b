import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

/**
 * Tells this run of a process from a later one that was given the same pid: the kernel's start time on Linux, an empty
 * word elsewhere. `undefined` when no such process lives; a zombie does not live.
 */
export function birthmark(pid: number): string | undefined {
  // kill() reads zero and negative numbers as "a whole process group".
  if (!(pid > 0)) return undefined;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it lives, as another user.
    if (!isErrno(error, "EPERM")) return undefined;
  }
  return process.platform === "linux" ? startTime(pid) : "";
}

/** proc(5): field 3 is the state, 22 the start time. Field 2, the name, may hold spaces: count from its closing bracket. */
function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const [state, ...rest] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return state === "Z" || state === "X" ? undefined : rest[18];
  } catch {
    return undefined;
  }
}

/** A question to ask again and again: does the process that has this pid now still live? */
export function follow(pid: number): () => boolean {
  const first = birthmark(pid);
  return () => first !== undefined && birthmark(pid) === first;
}

/** Resolves to true as soon as the condition holds, to false when it did not within the given milliseconds. */
export async function within(milliseconds: number, condition: () => boolean | Promise<boolean>): Promise<boolean> {
  const deadline = performance.now() + milliseconds;
  while (!(await condition())) {
    if (performance.now() > deadline) return false;
    await pause(20);
  }
  return true;
}

/** Whether this is the operating system's error of that name, such as ENOENT. */
export function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
