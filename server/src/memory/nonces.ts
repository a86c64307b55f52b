import { AuthError } from "../domain/errors.ts";
import type { Clock, Nonces } from "../service/ports.ts";

const MAX_NONCES = 200_000;

/**
 * Nonces of one process. Full of ids that are still alive it says `unavailable`: to forget one would let it pass twice.
 * Ids are kept in the order of their end, which is that of their arrival: every caller uses one time to live.
 */
export function createMemoryNonces(clock: Clock, max = MAX_NONCES): Nonces {
  const ends = new Map<string, number>();
  return {
    async claim(id, ttlS) {
      const now = clock.now().getTime();
      for (const [old, end] of ends) {
        if (end > now) break;
        ends.delete(old);
      }
      const end = ends.get(id);
      if (end !== undefined && end > now) return false;
      if (ends.size >= max) throw new AuthError("unavailable", { retryAfterS: 1 });
      ends.delete(id);
      ends.set(id, now + ttlS * 1000);
      return true;
    },
  };
}
