import type { Limits } from "./one-port-limits.ts";

/**
 * A token bucket of the streams of one connection that may end by a reset; false once it is empty.
 * nghttp2 has one for resets that a client sends (1,000, and 33 a second; CVE-2023-44487). This one also counts the
 * resets that a client makes us send (CVE-2025-8671).
 */
export function createResetBudget(limits: Pick<Limits, "resetBurst" | "resetsPerSecond">): (now: number) => boolean {
  let tokens = limits.resetBurst;
  let filledAt = performance.now();
  return (now) => {
    tokens = Math.min(limits.resetBurst, tokens + ((now - filledAt) / 1000) * limits.resetsPerSecond) - 1;
    filledAt = now;
    return tokens >= 0;
  };
}
