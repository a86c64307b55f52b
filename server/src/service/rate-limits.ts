import { AuthError } from "../domain/errors.ts";
import type { RateLimitName, RateLimits } from "./ports.ts";

/** So many points in so many seconds; undefined switches a limit off. */
export type RateLimitSize = { points: number; duration: number };
export type RateLimitSizes = Record<RateLimitName, RateLimitSize | undefined>;

/** Where a key stands after this call was counted. */
export type RateCount = { exceeded: boolean; remaining: number; resetMs: number };

/** Counts calls. It answers in any case: a store that is down is replaced by a count of this process. */
export type RateCounter = { hit(limit: RateLimitName, key: string): Promise<RateCount | undefined> };

/** One limiter of the library: resolves within the limit, rejects with the same shape beyond it. */
type Limiter = { consume(key: string): Promise<LimiterResult> };
type LimiterResult = { remainingPoints: number; msBeforeNext: number };

export type RateLimitDeps = {
  counter: RateCounter;
  sizes: RateLimitSizes;
  /** What stands for a key in the store. */
  hashKey(key: string): string;
};

export function createRateLimits({ counter, sizes, hashKey }: RateLimitDeps): RateLimits {
  return {
    async spend(limit, key) {
      const count = await counter.hit(limit, hashKey(key));
      if (count === undefined || !count.exceeded) return;
      throw new AuthError("rate_limited", {
        retryAfterS: Math.max(1, Math.ceil(count.resetMs / 1000)),
        limit: { points: sizes[limit]?.points ?? 0, remaining: count.remaining },
      });
    },
  };
}

/** The longest a Node.js timer waits, in seconds; a longer one fires at once, and would forget the count with it. */
const LONGEST_DURATION_S = 2_147_483;

/** A counter from limiters of one kind, one for each limit that is on. */
export function hitLimiters(
  sizes: RateLimitSizes,
  create: (keyPrefix: string, size: RateLimitSize) => Limiter,
): RateCounter {
  const limiters = new Map<RateLimitName, Limiter>();
  for (const [name, size] of Object.entries(sizes) as [RateLimitName, RateLimitSize | undefined][]) {
    if (size === undefined) continue;
    limiters.set(name, create(name, { ...size, duration: Math.min(size.duration, LONGEST_DURATION_S) }));
  }
  return {
    async hit(limit, key) {
      const limiter = limiters.get(limit);
      if (limiter === undefined) return undefined;
      try {
        return toCount(await limiter.consume(key), false);
      } catch (result) {
        if (result instanceof Error) throw result;
        return toCount(result as LimiterResult, true);
      }
    },
  };
}

function toCount(result: LimiterResult, exceeded: boolean): RateCount {
  return { exceeded, remaining: Math.max(0, result.remainingPoints), resetMs: result.msBeforeNext };
}
