import { AuthError } from "../domain/errors.ts";

/** Whether the stores answer, for everybody who asks: one look a second at the most, however many they are. */
export type Readiness = {
  /** The answer of a look that is less than a second old. */
  isReady(): Promise<boolean>;
  /**
   * The answer now and each that differs from the last, until the signal.
   * @throws AuthError `rate_limited` when too many watch already.
   */
  watch(signal: AbortSignal): AsyncGenerator<boolean>;
};

export type ReadinessOptions = {
  /** Asks the stores. Never called again before it has settled. */
  look(): Promise<boolean>;
  /** From then on nothing is ready, at once. */
  stopping: AbortSignal;
  maxWatchers?: number;
};

/** How long an answer is remembered, and how soon a watcher hears of a change. */
const LOOK_MS = 1_000;
const MAX_WATCHERS = 1_000;

/** Health is public: what each question costs the stores must not depend on how many ask. */
export function createReadiness({ look, stopping, maxWatchers = MAX_WATCHERS }: ReadinessOptions): Readiness {
  let looking: Promise<boolean> | undefined;
  let last: { ready: boolean; at: number } | undefined;
  let watchers = 0;
  const waiting = new Set<() => void>();
  let timer: NodeJS.Timeout | undefined;

  async function lookNow(): Promise<boolean> {
    const ready = await look().catch(() => false);
    last = { ready, at: performance.now() };
    looking = undefined;
    return ready;
  }

  async function isReady(): Promise<boolean> {
    if (stopping.aborted) return false;
    if (looking === undefined && last !== undefined && performance.now() - last.at < LOOK_MS) return last.ready;
    looking ??= lookNow();
    return looking;
  }

  /** Resolves when it is time to look again, for all who wait at once, or when the signal is given. */
  function untilNextLook(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        waiting.delete(wake);
        if (waiting.size === 0) {
          clearTimeout(timer);
          timer = undefined;
        }
        signal.removeEventListener("abort", wake);
        resolve();
      };
      if (signal.aborted) return resolve();
      signal.addEventListener("abort", wake, { once: true });
      waiting.add(wake);
      timer ??= setTimeout(() => {
        timer = undefined;
        for (const each of [...waiting]) each();
      }, LOOK_MS).unref();
    });
  }

  return {
    isReady,

    async *watch(signal) {
      if (signal.aborted) return;
      if (watchers >= maxWatchers) throw new AuthError("rate_limited", { retryAfterS: 1 });
      watchers++;
      let left = false;
      const leave = () => {
        if (!left) watchers--;
        left = true;
      };
      // Not by `finally` alone: nobody resumes this generator for a caller who went away while an answer was on its way.
      signal.addEventListener("abort", leave, { once: true });
      try {
        let told: boolean | undefined;
        while (!signal.aborted) {
          const ready = await isReady();
          if (ready !== told) yield ready;
          told = ready;
          await untilNextLook(signal);
        }
      } finally {
        signal.removeEventListener("abort", leave);
        leave();
      }
    },
  };
}
