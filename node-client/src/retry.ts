import { setTimeout as wait } from "node:timers/promises";
import { backoffMs } from "./backoff.ts";
import { AuthError } from "./errors.ts";
import { toAuthError } from "./to-auth-error.ts";

export type Attempt<T> = (options: { timeoutMs: number; signal: AbortSignal }) => Promise<T>;
export type Calls = {
  /** One attempt. */
  once<T>(attempt: Attempt<T>): Promise<T>;
  /** For calls that change nothing: again while the server is unavailable, all attempts within the one deadline. */
  safely<T>(attempt: Attempt<T>): Promise<T>;
};

const MAX_ATTEMPTS = 4;
const BACKOFF = { baseMs: 50, maxMs: 500 };

/** Calls under a deadline, which reject with an AuthError; with the signal's reason, once that is aborted. */
export function createCalls(timeoutMs: number, signal: AbortSignal): Calls {
  async function once<T>(attempt: Attempt<T>, leftMs = timeoutMs): Promise<T> {
    signal.throwIfAborted();
    try {
      return await attempt({ timeoutMs: leftMs, signal });
    } catch (error) {
      signal.throwIfAborted();
      throw toAuthError(error);
    }
  }

  return {
    once: (attempt) => once(attempt),

    async safely(attempt) {
      const endsMs = performance.now() + timeoutMs;
      for (let attempts = 1; ; attempts++) {
        try {
          return await once(attempt, Math.max(1, Math.ceil(endsMs - performance.now())));
        } catch (error) {
          const pauseMs = backoffMs(attempts - 1, BACKOFF);
          if (attempts === MAX_ATTEMPTS || !isUnavailable(error) || performance.now() + pauseMs >= endsMs) throw error;
          await wait(pauseMs);
        }
      }
    },
  };
}

function isUnavailable(error: unknown): boolean {
  return error instanceof AuthError && error.code === "unavailable";
}
