import type { Nonces } from "../service/ports.ts";
import type { RateCounter, RateLimitSizes } from "../service/rate-limits.ts";
import { createBreaker } from "./breaker.ts";
import { connectRedis, pingRedis, type RedisOptions, untilReady } from "./connection.ts";
import { createRedisNonces } from "./nonces.ts";
import { createRedisRateCounter } from "./rate-counter.ts";

/** What Redis keeps for all replicas together. */
export type RedisStores = { nonces: Nonces; rateCounter: RateCounter; isReady(): Promise<boolean>; close(): void };

const START_MS = 5_000;

/** @throws Error when Redis does not answer within five seconds. */
export async function openRedisStores(options: RedisOptions & { rateLimits: RateLimitSizes }): Promise<RedisStores> {
  const redis = connectRedis(options);
  try {
    await untilReady(redis, START_MS);
  } catch (error) {
    redis.disconnect();
    throw error;
  }
  const breaker = createBreaker();
  return {
    nonces: createRedisNonces(redis, breaker),
    rateCounter: createRedisRateCounter(redis, { breaker, sizes: options.rateLimits }),
    isReady: () => pingRedis(redis),
    close: () => redis.disconnect(),
  };
}
