import type { Clock } from "./service/ports.ts";

/** The system's clock: the one place that asks it. */
export const systemClock: Clock = { now: () => new Date() };
