import { RateLimiterMemory, RateLimiterRedis } from "rate-limiter-flexible";
import type { Breaker } from "../service/breaker.ts";
import { hitLimiters, type RateCounter, type RateLimitSizes } from "../service/rate-limits.ts";
import type { RedisClient } from "./connection.ts";

/** Counts that all replicas share. While Redis is down each process counts by itself: calls go on, and limits stay. */
export function createRedisRateCounter(
  redis: RedisClient,
  { breaker, sizes }: { breaker: Breaker; sizes: RateLimitSizes },
): RateCounter {
  return hitLimiters(sizes, (name, size) => {
    const shared = new RateLimiterRedis({ storeClient: redis, keyPrefix: `rate:${name}`, ...size });
    const own = new RateLimiterMemory({ keyPrefix: name, ...size });
    return {
      async consume(key) {
        // A limit that is reached rejects too, but is an answer of Redis, not its failure.
        const answer = await breaker(() => shared.consume(key).catch(refusalOrThrow)).catch(() => own.consume(key));
        if (isRefusal(answer)) throw answer.refusal;
        return answer;
      },
    };
  });
}

type Refusal = { refusal: object };

function refusalOrThrow(reason: unknown): Refusal {
  if (reason instanceof Error) throw reason;
  return { refusal: reason as object };
}

function isRefusal(answer: object): answer is Refusal {
  return "refusal" in answer;
}
