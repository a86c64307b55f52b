import { AuthError } from "../domain/errors.ts";

/** How many streams may be open at once for each key, in this process. */
export type StreamPlaces = {
  /** Takes a place; what it returns gives it back. @throws AuthError `rate_limited` when all are taken. */
  take(key: string): () => void;
};

const FULL = "There are as many streams open for this service account as may be. End one first.";
/** About what a client waits that begins again by itself. */
const RETRY_AFTER_S = 5;

export function createStreamPlaces(max: number): StreamPlaces {
  const taken = new Map<string, number>();
  return {
    take(key) {
      const before = taken.get(key) ?? 0;
      if (before >= max) throw new AuthError("rate_limited", { message: FULL, retryAfterS: RETRY_AFTER_S });
      taken.set(key, before + 1);
      return () => {
        const left = (taken.get(key) ?? 1) - 1;
        if (left > 0) taken.set(key, left);
        else taken.delete(key);
      };
    },
  };
}
