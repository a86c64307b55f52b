import { setTimeout } from "node:timers/promises";

/** How long after the end of a run the last answers may take. */
const LATE_MS = 30_000;

/**
 * Closed loops side by side: each sends its next request when it has the answer to the last. Returns answers a second. The
 * first failure ends the run and is thrown.
 * @param {((again: () => boolean) => Promise<number>)[]} loops each returns how many answers it got while `again()` held
 * @param {number} durationMs
 */
export async function answersPerSecond(loops, durationMs) {
  const start = performance.now();
  const end = start + durationMs;
  let failed = false;
  const answered = new AbortController();
  const tooLate = setTimeout(durationMs + LATE_MS, undefined, { signal: answered.signal }).then(() => {
    throw new Error("the server does not answer");
  });
  const all = Promise.all(
    loops.map((loop) =>
      loop(() => !failed && performance.now() < end).catch((error) => {
        failed = true;
        throw error;
      }),
    ),
  );
  const counts = await Promise.race([all, tooLate]).finally(() => answered.abort());
  const total = counts.reduce((sum, count) => sum + count, 0);
  return total / ((performance.now() - start) / 1000);
}
