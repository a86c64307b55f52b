import { AuthError } from "../domain/errors.ts";
import type { Breaker } from "../service/breaker.ts";
import type { Nonces } from "../service/ports.ts";
import type { RedisClient } from "./connection.ts";

/** Nonces that all replicas share: one atomic `SET NX` each. */
export function createRedisNonces(redis: RedisClient, breaker: Breaker): Nonces {
  return {
    async claim(id, ttlS) {
      try {
        const claimed = await breaker(() => redis.set(`nonce:${id}`, "1", "EX", ttlS, "NX"));
        return claimed === "OK";
      } catch (cause) {
        throw new AuthError("unavailable", { cause, retryAfterS: 1 });
      }
    },
  };
}
