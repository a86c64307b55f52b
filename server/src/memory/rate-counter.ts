import { RateLimiterMemory } from "rate-limiter-flexible";
import { hitLimiters, type RateCounter, type RateLimitSizes } from "../service/rate-limits.ts";

/** Counts within one process. */
export function createMemoryRateCounter(sizes: RateLimitSizes): RateCounter {
  return hitLimiters(sizes, (keyPrefix, size) => new RateLimiterMemory({ keyPrefix, ...size }));
}
