import type { Interceptor } from "@connectrpc/connect";
import { addressBucket } from "../domain/address.ts";
import type { RateLimits } from "../service/ports.ts";
import { edgeKey } from "./edge.ts";
import type { Policies } from "./policies.ts";

/** Counts a call against the limit by address that its RPC declares, before anything costly is done for it. */
export function rateLimitInterceptor(policies: Policies, limits: RateLimits): Interceptor {
  return (next) => async (request) => {
    const { rateLimit } = policies.of(request.method);
    if (rateLimit !== undefined) {
      await limits.spend(rateLimit, addressBucket(request.contextValues.get(edgeKey).client.ip));
    }
    return next(request);
  };
}
