import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { createReadiness, type Readiness } from "../src/rpc/readiness.ts";

/** Stores that answer what the test says, and count how often they are asked and how many at once. */
function stores() {
  const state = { ready: true, looks: 0, atOnce: 0, mostAtOnce: 0, delayMs: 0 };
  const look = async () => {
    state.looks++;
    state.mostAtOnce = Math.max(state.mostAtOnce, ++state.atOnce);
    await wait(state.delayMs);
    state.atOnce--;
    return state.ready;
  };
  return Object.assign(state, { look });
}

function open(options: Partial<Parameters<typeof createReadiness>[0]> = {}) {
  const asked = stores();
  const stop = new AbortController();
  const readiness = createReadiness({ look: asked.look, stopping: stop.signal, ...options });
  return { asked, stop, readiness };
}

/** Watches until the test is over. `heard` is all it was told. */
function watch(readiness: Readiness) {
  const heard: boolean[] = [];
  const abort = new AbortController();
  onTestFinished(() => abort.abort());
  const ended = (async () => {
    for await (const ready of readiness.watch(abort.signal)) heard.push(ready);
  })();
  return { heard, abort: () => abort.abort(), ended };
}

const times = <T>(count: number, make: () => T) => Array.from({ length: count }, make);

describe("readiness", () => {
  test("asks the stores once for a thousand questions at once, and not again within the second", async () => {
    const { asked, readiness } = open();
    const answers = await Promise.all(times(1_000, () => readiness.isReady()));
    expect(new Set(answers)).toStrictEqual(new Set([true]));
    asked.ready = false;
    expect(await readiness.isReady()).toBe(true);
    expect(asked.looks).toBe(1);
    await expect.poll(() => readiness.isReady(), { timeout: 2_000 }).toBe(false);
    expect(asked.looks).toBe(2);
  });

  test("has one look in flight, however slow the stores are", async () => {
    const { asked, readiness } = open();
    asked.delayMs = 1_200;
    const watchers = times(50, () => watch(readiness));
    await Promise.all(times(50, () => readiness.isReady()));
    asked.ready = false;
    await expect.poll(() => watchers.every(({ heard }) => heard.length === 2), { timeout: 6_000 }).toBe(true);
    expect(asked.mostAtOnce).toBe(1);
    expect(asked.looks).toBe(2);
  });

  test("costs the stores the same for five hundred watchers as for one, and tells each of each change", async () => {
    const { asked, readiness } = open();
    const watchers = times(500, () => watch(readiness));
    await expect.poll(() => watchers.every(({ heard }) => heard.length === 1)).toBe(true);
    expect(asked.looks).toBe(1);
    asked.ready = false;
    await expect.poll(() => watchers.every(({ heard }) => heard.length === 2), { timeout: 3_000 }).toBe(true);
    expect(asked.looks).toBeLessThanOrEqual(3);
    expect(watchers.map(({ heard }) => heard.join())).toStrictEqual(times(500, () => "true,false"));
  });

  test("has one timer for all who watch, and none while nobody does", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    onTestFinished(() => void vi.useRealTimers());
    const { readiness } = open();
    const watchers = times(20, () => watch(readiness));
    await vi.waitUntil(() => watchers.every(({ heard }) => heard.length === 1));
    await vi.waitUntil(() => vi.getTimerCount() === 1);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(vi.getTimerCount()).toBe(1);
    for (const watcher of watchers) watcher.abort();
    await Promise.all(watchers.map(({ ended }) => ended));
    expect(vi.getTimerCount()).toBe(0);
  });

  test("takes so many watchers and no more, and another when one has left", async () => {
    const { readiness } = open({ maxWatchers: 2 });
    const [first, second] = times(2, () => watch(readiness));
    await expect.poll(() => [first, second].map((watcher) => watcher?.heard)).toStrictEqual([[true], [true]]);
    await expect(watch(readiness).ended).rejects.toMatchObject({ name: "AuthError", reason: "rate_limited" });
    first?.abort();
    await first?.ended;
    const third = watch(readiness);
    await expect.poll(() => third.heard).toStrictEqual([true]);
    await expect(watch(readiness).ended).rejects.toMatchObject({ reason: "rate_limited" });
  });

  test("gives back the place of a watcher who went away without reading what it was told", async () => {
    const { readiness } = open({ maxWatchers: 1 });
    const gone = new AbortController();
    expect(await readiness.watch(gone.signal).next()).toStrictEqual({ done: false, value: true });
    gone.abort();
    const next = watch(readiness);
    await expect.poll(() => next.heard).toStrictEqual([true]);
  });

  test("is over at once when the server stops", async () => {
    const { stop, readiness } = open();
    expect(await readiness.isReady()).toBe(true);
    stop.abort();
    expect(await readiness.isReady()).toBe(false);
  });

  test("of stores that throw is no", async () => {
    const look = () => Promise.reject(new Error("out of order"));
    const { readiness } = open({ look });
    expect(await readiness.isReady()).toBe(false);
  });
});
