import { setTimeout as wait } from "node:timers/promises";
import { AuthError } from "./domain/errors.ts";

const PAUSE_MS = 500;

/** A store that is busy, or still starting, gets some seconds: a start that fails costs more than one that waits. */
export async function withPatience<T>(task: () => Promise<T>, attempts = 6): Promise<T> {
  try {
    return await task();
  } catch (error) {
    if (attempts <= 1 || !(error instanceof AuthError) || error.reason !== "unavailable") throw error;
    await wait(PAUSE_MS);
    return withPatience(task, attempts - 1);
  }
}
