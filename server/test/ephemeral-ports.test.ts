import { randomBytes } from "node:crypto";
import { maxMessages } from "@sello/envelope";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { createMemoryChannels } from "../src/memory/channels.ts";
import { createMemoryNonces } from "../src/memory/nonces.ts";
import { createMemoryRateCounter } from "../src/memory/rate-counter.ts";
import { openRedisStores } from "../src/redis/stores.ts";
import type { ChannelStore } from "../src/service/channel-ports.ts";
import type { Nonces } from "../src/service/ports.ts";
import type { RateCounter, RateLimitSizes } from "../src/service/rate-limits.ts";
import { hasRedisServer, isRequired, startRedisCluster, startRedisServer } from "./support/redis-server.ts";
import { createTestClock } from "./support/test-clock.ts";

type Ports = { channels: ChannelStore; nonces: Nonces; rateCounter: RateCounter };
/** Two processes' view of one store, or twice the same where a store is of one process. */
type Store = AsyncDisposable & { here: Ports; there: Ports };

const SIZES: RateLimitSizes = {
  login_ip: { points: 3, duration: 60 },
  login_account: { points: 1, duration: 1 },
  register_ip: undefined,
  refresh_ip: { points: 20, duration: 60 },
  handshake_ip: undefined,
};

async function openMemory(): Promise<Store> {
  const clock = { now: () => new Date() };
  const ports = {
    channels: createMemoryChannels(clock),
    nonces: createMemoryNonces(clock),
    rateCounter: createMemoryRateCounter(SIZES),
  };
  return { here: ports, there: ports, async [Symbol.asyncDispose]() {} };
}

async function connectTwice(url: string, cluster: boolean, stop: () => PromiseLike<void>): Promise<Store> {
  const keyPrefix = `sello:test:${randomBytes(6).toString("hex")}:`;
  const open = () => openRedisStores({ url, cluster, keyPrefix, onError: () => undefined, rateLimits: SIZES });
  const [here, there] = await Promise.all([open(), open()]);
  return {
    here,
    there,
    async [Symbol.asyncDispose]() {
      here.close();
      there.close();
      await stop();
    },
  };
}

async function openRedis(): Promise<Store> {
  const given = inject("redisUrl");
  if (given !== undefined) return connectTwice(given, false, async () => undefined);
  const server = await startRedisServer();
  return connectTwice(server.url, false, () => server[Symbol.asyncDispose]());
}

async function openCluster(): Promise<Store> {
  const cluster = await startRedisCluster();
  return connectTwice(cluster.url, true, () => cluster[Symbol.asyncDispose]());
}

const STORES = [
  { name: "in memory", open: openMemory, missing: false },
  { name: "in Redis", open: openRedis, missing: !isRequired("redis") && !hasRedisServer && !process.env["REDIS_URL"] },
  { name: "in a Redis Cluster", open: openCluster, missing: !isRequired("redis-cluster") && !hasRedisServer },
];

const id = () => randomBytes(16).toString("base64url");

describe.each(STORES)("$name", ({ open, missing }) => {
  let store: Store | undefined;
  const ports = (): Store => {
    if (store === undefined) throw new Error("the store was not opened");
    return store;
  };
  beforeAll(async () => {
    store = missing ? undefined : await open();
  });
  afterAll(() => store?.[Symbol.asyncDispose]());

  describe.skipIf(missing)("a nonce", () => {
    test("is claimed once, of twenty at once on two processes, and never again", async () => {
      const { here, there } = ports();
      for (let round = 0; round < 20; round++) {
        const nonce = id();
        const claims = await Promise.all(
          Array.from({ length: 20 }, (_, i) => (i % 2 ? here : there).nonces.claim(nonce, 60)),
        );
        expect(claims.filter((claimed) => claimed)).toHaveLength(1);
        expect(await there.nonces.claim(nonce, 60)).toBe(false);
      }
    });

    test("does not stand in the way of others", async () => {
      const claims = await Promise.all(Array.from({ length: 200 }, () => ports().here.nonces.claim(id(), 60)));
      expect(new Set(claims)).toStrictEqual(new Set([true]));
    });

    test("is forgotten when its time is over", async () => {
      const nonce = id();
      expect(await ports().here.nonces.claim(nonce, 1)).toBe(true);
      expect(await ports().here.nonces.claim(nonce, 1)).toBe(false);
      await expect.poll(() => ports().there.nonces.claim(nonce, 60), { timeout: 5_000, interval: 250 }).toBe(true);
    });
  });

  describe.skipIf(missing)("a channel", () => {
    test("is found by every process, with the root as it was stored", async () => {
      const { here, there } = ports();
      const sid = id();
      await here.channels.create(sid, "wrapped", 60);
      expect(await there.channels.findRoot(sid)).toBe("wrapped");
      expect(await there.channels.findRoot(id())).toBeUndefined();
    });

    test("accepts a message once, of twenty at once on two processes, and never again", async () => {
      const { here, there } = ports();
      const sid = id();
      await here.channels.create(sid, "wrapped", 60);
      for (const n of [1, 2, 8191, 8192, maxMessages]) {
        const outcomes = await Promise.all(
          Array.from({ length: 20 }, (_, i) => (i % 2 ? here : there).channels.accept(sid, n)),
        );
        expect(outcomes.filter((outcome) => outcome === "accepted")).toHaveLength(1);
        expect(outcomes.filter((outcome) => outcome === "replayed")).toHaveLength(19);
        expect(await there.channels.accept(sid, n)).toBe("replayed");
      }
    });

    test("accepts messages in any order, each once", async () => {
      const { here } = ports();
      const sid = id();
      await here.channels.create(sid, "wrapped", 60);
      const order = Array.from({ length: 300 }, (_, i) => ((i * 7919) % 300) + 1);
      const outcomes = await Promise.all(order.map((n) => here.channels.accept(sid, n)));
      expect(new Set(outcomes)).toStrictEqual(new Set(["accepted"]));
      const again = await Promise.all(order.map((n) => here.channels.accept(sid, n)));
      expect(new Set(again)).toStrictEqual(new Set(["replayed"]));
    });

    test("has counters of its own", async () => {
      const { here } = ports();
      const [one, other] = [id(), id()];
      await here.channels.create(one, "wrapped", 60);
      await here.channels.create(other, "wrapped", 60);
      expect(await here.channels.accept(one, 1)).toBe("accepted");
      expect(await here.channels.accept(other, 1)).toBe("accepted");
      expect(await here.channels.accept(id(), 1)).toBe("unknown");
    });

    test("is unknown when its time is over, and so are its messages", async () => {
      const { here, there } = ports();
      const sid = id();
      await here.channels.create(sid, "wrapped", 1);
      expect(await here.channels.accept(sid, 1)).toBe("accepted");
      await expect.poll(() => there.channels.findRoot(sid), { timeout: 5_000, interval: 250 }).toBeUndefined();
      expect(await there.channels.accept(sid, 2)).toBe("unknown");
    });
  });

  describe.skipIf(missing)("a rate", () => {
    test("is exceeded by the call after the last, and says for how long", async () => {
      const { here, there } = ports();
      const key = id();
      const counts = [];
      for (let i = 0; i < 5; i++) counts.push(await (i % 2 ? here : there).rateCounter.hit("login_ip", key));
      expect(counts.map((count) => count?.exceeded)).toStrictEqual([false, false, false, true, true]);
      expect(counts.map((count) => count?.remaining)).toStrictEqual([2, 1, 0, 0, 0]);
      for (const count of counts) {
        expect(count?.resetMs).toBeGreaterThan(50_000);
        expect(count?.resetMs).toBeLessThanOrEqual(60_000);
      }
    });

    test("counts parallel calls one by one", async () => {
      const { here, there } = ports();
      const key = id();
      const counts = await Promise.all(
        Array.from({ length: 50 }, (_, i) => (i % 2 ? here : there).rateCounter.hit("refresh_ip", key)),
      );
      expect(counts.filter((count) => count?.exceeded === false)).toHaveLength(20);
    });

    test("starts again when its time is over", async () => {
      const key = id();
      const hit = async () => (await ports().here.rateCounter.hit("login_account", key))?.exceeded;
      expect(await hit()).toBe(false);
      expect(await hit()).toBe(true);
      await expect.poll(hit, { timeout: 5_000, interval: 300 }).toBe(false);
    });

    test("belongs to one key of one limit", async () => {
      const key = id();
      await ports().here.rateCounter.hit("login_account", key);
      expect((await ports().here.rateCounter.hit("login_account", id()))?.exceeded).toBe(false);
      expect((await ports().here.rateCounter.hit("login_ip", key))?.exceeded).toBe(false);
    });

    test("that is off counts nothing", async () => {
      expect(await ports().here.rateCounter.hit("register_ip", id())).toBeUndefined();
    });
  });
});

describe("channels in memory", () => {
  test("are forgotten, the least used first, when there are too many", async () => {
    const channels = createMemoryChannels(createTestClock(), { channels: 2, parts: 10 });
    for (const sid of ["a", "b"]) await channels.create(sid, sid, 60);
    expect(await channels.accept("a", 1)).toBe("accepted");
    await channels.create("c", "c", 60);
    expect(await channels.findRoot("b")).toBeUndefined();
    expect(await channels.accept("a", 1)).toBe("replayed");
  });
});

describe("nonces in memory", () => {
  test("are never forgotten to make room: full is unavailable", async () => {
    const clock = createTestClock();
    const nonces = createMemoryNonces(clock, 3);
    for (const nonce of ["a", "b", "c"]) expect(await nonces.claim(nonce, 10)).toBe(true);
    await expect(nonces.claim("d", 10)).rejects.toMatchObject({ reason: "unavailable" });
    expect(await nonces.claim("a", 10)).toBe(false);
    clock.advance(10);
    expect(await nonces.claim("d", 10)).toBe(true);
    expect(await nonces.claim("a", 10)).toBe(true);
  });
});
