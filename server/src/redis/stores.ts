import { createBreaker } from "../service/breaker.ts";
import type { ChannelStore } from "../service/channel-ports.ts";
import type { SharedGrants } from "../service/grants.ts";
import type { Nonces } from "../service/ports.ts";
import type { RateCounter, RateLimitSizes } from "../service/rate-limits.ts";
import { createRedisChannels } from "./channels.ts";
import { connectRedis, pingRedis, type RedisOptions, untilReady } from "./connection.ts";
import { evictionPolicies } from "./eviction.ts";
import { createRedisGrants } from "./grants.ts";
import { createRedisNonces } from "./nonces.ts";
import { createRedisRateCounter } from "./rate-counter.ts";

/** What Redis keeps for all replicas together. */
export type RedisStores = {
  channels: ChannelStore;
  nonces: Nonces;
  rateCounter: RateCounter;
  grants: SharedGrants;
  isReady(): Promise<boolean>;
  evictionPolicies(): Promise<string[]>;
  close(): void;
};

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
  const breaker = createBreaker({ store: "Redis" });
  return {
    channels: createRedisChannels(redis, breaker),
    nonces: createRedisNonces(redis, breaker),
    rateCounter: createRedisRateCounter(redis, { breaker, sizes: options.rateLimits }),
    grants: createRedisGrants(redis, breaker),
    isReady: () => pingRedis(redis),
    evictionPolicies: () => evictionPolicies(redis),
    close: () => redis.disconnect(),
  };
}
