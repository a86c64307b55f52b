import type { DescMethod } from "@bufbuild/protobuf";
import { addressBucket } from "../domain/address.ts";
import { AuthError } from "../domain/errors.ts";
import type { RateLimits } from "../service/ports.ts";
import type { RecordCall } from "./call-record.ts";
import type { Edge } from "./edge.ts";
import type { Policies } from "./policies.ts";

/**
 * Counts a call against the limit by address that its RPC declares, before a byte of its body is read: what is refused costs
 * next to nothing. @throws AuthError `rate_limited`.
 */
export type Admit = (method: DescMethod, edge: Edge) => Promise<void>;

export function createAdmission(options: { policies: Policies; limits: RateLimits; record: RecordCall }): Admit {
  const { policies, limits, record } = options;
  return async (method, edge) => {
    const { rateLimit } = policies.of(method);
    if (rateLimit === undefined) return;
    const start = performance.now();
    try {
      await limits.spend(rateLimit, addressBucket(edge.client.ip));
    } catch (error) {
      const code = error instanceof AuthError ? error.reason : "internal";
      record({ method, edge, code, durationMs: performance.now() - start });
      throw error;
    }
  };
}
