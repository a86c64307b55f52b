/** Runs a command, or fails at once while the store is known to be down. */
export type Breaker = <T>(command: () => Promise<T>) => Promise<T>;

export type BreakerOptions = {
  /** How long commands fail at once after a failure. */
  openMs?: number;
  /** How long a command may take: a cluster's client retries behind one command, each time with a limit of its own. */
  deadlineMs?: number;
  /** Milliseconds of a clock that nobody sets: one that was set back would keep the breaker open. */
  elapsedMs?: () => number;
};

/**
 * After a failure every command fails at once for a second; then one is let through to see. A store that swallows packets
 * costs one time-out a second, not one a call.
 */
export function createBreaker(options: BreakerOptions = {}): Breaker {
  const { openMs = 1_000, deadlineMs = 500, elapsedMs = () => performance.now() } = options;
  let openUntil: number | undefined;
  return async (command) => {
    const now = elapsedMs();
    if (openUntil !== undefined && now < openUntil) throw new Error("Redis is down; the breaker is open");
    if (openUntil !== undefined) openUntil = now + openMs;
    try {
      const result = await within(deadlineMs, command());
      openUntil = undefined;
      return result;
    } catch (error) {
      openUntil = elapsedMs() + openMs;
      throw error;
    }
  };
}

/** @throws Error when the promise is not settled in time. */
export async function within<T>(milliseconds: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Redis did not answer within ${milliseconds} ms`)), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
