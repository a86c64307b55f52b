/** Exponential backoff with full jitter: anything from nothing to the step's delay, so that many clients spread out. */
export function backoffMs(attempt: number, { baseMs, maxMs }: { baseMs: number; maxMs: number }): number {
  return Math.random() * Math.min(maxMs, baseMs * 2 ** attempt);
}
