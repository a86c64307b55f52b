import type { Clock } from "../service/ports.ts";

/** Runs a command, or fails at once while the store is known to be down. */
export type Breaker = <T>(command: () => Promise<T>) => Promise<T>;

const OPEN_MS = 1_000;

/**
 * After a failure every command fails at once for a second; then one is let through to see. A store that swallows packets
 * costs one time-out a second, not one a call.
 */
export function createBreaker(clock: Clock, openMs = OPEN_MS): Breaker {
  let openUntil = 0;
  return async (command) => {
    const now = clock.now().getTime();
    if (now < openUntil) throw new Error("Redis is down; the breaker is open");
    if (openUntil > 0) openUntil = now + openMs;
    try {
      const result = await command();
      openUntil = 0;
      return result;
    } catch (error) {
      openUntil = clock.now().getTime() + openMs;
      throw error;
    }
  };
}
