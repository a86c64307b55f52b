import type { Breaker } from "../service/breaker.ts";
import type { SharedGrants } from "../service/grants.ts";
import type { RedisClient } from "./connection.ts";

/** What roles come to, for all replicas. Without Redis the database says it: a failure is an entry that is not there. */
export function createRedisGrants(redis: RedisClient, breaker: Breaker): SharedGrants {
  return {
    async get(id) {
      return (await breaker(() => redis.get(`grants:${id}`)).catch(() => null)) ?? undefined;
    },
    async set(id, sealed, ttlS) {
      await breaker(() => redis.set(`grants:${id}`, sealed, "EX", ttlS)).catch(() => undefined);
    },
  };
}
