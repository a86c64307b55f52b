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

/** A process that stood still counts as one slice of the wait, however long it stood: its answer may lie in the socket. */
const SLICES = 4;

/**
 * @throws Error when the promise is not settled in `milliseconds` of a process that runs. A pause of the process (a throttled
 * container, a long turn of the loop) costs a quarter of them at most, so that it is not taken for a store that is down.
 */
export function within<T>(milliseconds: number, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    let slices = SLICES;
    const timer = setTimeout(() => {
      slices -= 1;
      if (slices > 0) timer.refresh();
      else reject(new Error(`Redis did not answer within ${milliseconds} ms`));
    }, milliseconds / SLICES);
    promise.finally(() => clearTimeout(timer)).then(resolve, reject);
  });
}
