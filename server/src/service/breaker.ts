/** Runs a command, or fails at once while the store is known to be down. */
export type Breaker = <T>(command: () => Promise<T>) => Promise<T>;

export type BreakerOptions = {
  /** Who does not answer, for the words of an error. */
  store: string;
  /** How long commands fail at once after a failure. */
  openMs?: number | ((failure: unknown) => number);
  /** How long a command may take: a cluster's client retries behind one command, each time with a limit of its own. */
  deadlineMs?: number;
  /** Milliseconds of a clock that nobody sets: one that was set back would keep the breaker open. */
  elapsedMs?: () => number;
};

/**
 * After a failure every command fails at once for a second; then one is let through to see. A store that swallows packets
 * costs one time-out a second, not one a call.
 */
export function createBreaker(options: BreakerOptions): Breaker {
  const { store, openMs = 1_000, deadlineMs = 500, elapsedMs = () => performance.now() } = options;
  const openMsAfter = (failure: unknown) => (typeof openMs === "number" ? openMs : openMs(failure));
  let openUntil: number | undefined;
  return async (command) => {
    const now = elapsedMs();
    if (openUntil !== undefined && now < openUntil) throw new Error(`${store} is down; the breaker is open`);
    if (openUntil !== undefined) openUntil = now + openMsAfter(undefined);
    try {
      const result = await within(deadlineMs, command(), store);
      openUntil = undefined;
      return result;
    } catch (error) {
      openUntil = elapsedMs() + openMsAfter(error);
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
export function within<T>(milliseconds: number, promise: Promise<T>, store: string): Promise<T> {
  return new Promise((resolve, reject) => {
    let slices = SLICES;
    const timer = setTimeout(() => {
      slices -= 1;
      if (slices > 0) timer.refresh();
      else reject(new Error(`${store} did not answer within ${milliseconds} ms`));
    }, milliseconds / SLICES);
    promise.finally(() => clearTimeout(timer)).then(resolve, reject);
  });
}
