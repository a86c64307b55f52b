import type { Clock } from "../../src/service/ports.ts";

/** A clock that goes on only when it is told to. */
export type TestClock = Clock & { advance(seconds: number): void };

export function createTestClock(start = new Date()): TestClock {
  let now = start.getTime();
  return {
    now: () => new Date(now),
    advance(seconds) {
      now += seconds * 1000;
    },
  };
}
