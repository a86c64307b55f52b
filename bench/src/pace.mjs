import { interleave } from "./stats.mjs";

/** How long and how often everything is measured. @param {{ quick: boolean, signal: AbortSignal }} options */
export function createPace({ quick, signal }) {
  const durationMs = quick ? 1_000 : 3_000;
  const warmUpMs = quick ? 300 : 1_500;
  const rounds = quick ? 1 : 3;
  return {
    durationMs,
    rounds,
    starts: quick ? 1 : 5,
    idleMs: quick ? 2_000 : 10_000,
    signal,

    /**
     * Warms each contestant up, then measures them in turn.
     * @template {string} K
     * @param {Record<K, (durationMs: number) => Promise<number>>} contestants
     * @param {{ warmUps?: number }} [options] how many warm-ups: for calls so slow that one leaves their code to the interpreter
     */
    async measure(contestants, { warmUps = 1 } = {}) {
      const named = Object.entries(contestants);
      for (const [, run] of named) {
        signal.throwIfAborted();
        await run(warmUps * warmUpMs);
      }
      return interleave(
        rounds,
        Object.fromEntries(
          named.map(([name, run]) => [
            name,
            () => {
              signal.throwIfAborted();
              return run(durationMs);
            },
          ]),
        ),
      );
    },
  };
}
