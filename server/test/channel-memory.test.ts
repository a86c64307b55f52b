import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createMemoryChannels } from "../src/memory/channels.ts";
import { openRedisStores, type RedisStores } from "../src/redis/stores.ts";
import { hasRedisServer, isRequired, type RedisServer, startRedisServer } from "./support/redis-server.ts";
import { createTestClock } from "./support/test-clock.ts";

/** Counters as far apart as they can be, each at the end of a part: it costs the memory of a whole one. */
const spread = (count: number, apart: number) => Array.from({ length: count }, (_, i) => (i + 1) * apart - 1);

describe.skipIf(!isRequired("redis") && !hasRedisServer)("a channel in Redis", () => {
  let server: RedisServer;
  let stores: RedisStores;
  let client: Redis;
  beforeAll(async () => {
    server = await startRedisServer();
    const rateLimits = {
      login_ip: undefined,
      login_account: undefined,
      register_ip: undefined,
      refresh_ip: undefined,
      handshake_ip: undefined,
    };
    const options = { url: server.url, cluster: false, keyPrefix: "", onError: () => undefined, rateLimits };
    stores = await openRedisStores(options);
    client = new Redis(server.url);
  });
  afterAll(async () => {
    client.disconnect();
    stores.close();
    await server[Symbol.asyncDispose]();
  });

  async function bytesOf(sid: string, accepted: number[]): Promise<number> {
    await stores.channels.create(sid, "wrapped", 60);
    for (const n of accepted) expect(await stores.channels.accept(sid, n)).toBe("accepted");
    for (const n of accepted) expect(await stores.channels.accept(sid, n)).toBe("replayed");
    const parts = (await client.keys(`channel:{${sid}}:*`)).filter((key) => !key.endsWith(":root"));
    const sizes = await Promise.all(parts.map((key) => client.memory("USAGE", key)));
    return sizes.reduce<number>((sum, bytes) => sum + Number(bytes), 0);
  }

  test("costs no more than 300 bytes a message, however far apart the counters are", async () => {
    expect(await bytesOf("a".repeat(22), spread(128, 8192))).toBeLessThanOrEqual(128 * 300);
    expect(await bytesOf("b".repeat(22), spread(200, 1024))).toBeLessThanOrEqual(200 * 300);
  });

  test("costs no more than 350 KiB, whatever is sent, and little when counters follow one another", async () => {
    expect(
      await bytesOf("c".repeat(22), [...spread(1024, 1024), ...spread(1024, 1024).map((n) => n - 900), 2 ** 20]),
    ).toBeLessThanOrEqual(350 * 1024);
    const first = Array.from({ length: 1023 }, (_, i) => i + 1);
    expect(await bytesOf("d".repeat(22), first)).toBeLessThanOrEqual(350);
  });

  test("leaves nothing behind", async () => {
    const keys = await client.keys("channel:*");
    const lives = await Promise.all(keys.map((key) => client.ttl(key)));
    expect(keys.length).toBeGreaterThan(1000);
    for (const left of lives) expect(left).toBeGreaterThanOrEqual(1);
    for (const left of lives) expect(left).toBeLessThanOrEqual(60);
  });
});

describe("channels in memory", () => {
  const open = (parts: number) => {
    const clock = createTestClock();
    return { clock, channels: createMemoryChannels(clock, { channels: 100, parts }) };
  };

  test("take a bounded memory together: who spreads his counters loses his channel, and nobody else", async () => {
    const { channels } = open(10);
    for (const sid of ["modest", "greedy"]) await channels.create(sid, sid, 60);
    for (const n of [1, 2, 3, 1024]) expect(await channels.accept("modest", n)).toBe("accepted");
    const outcomes = [];
    for (const n of spread(12, 1024)) outcomes.push(await channels.accept("greedy", n));
    expect(outcomes).toStrictEqual([...Array(9).fill("accepted"), ...Array(3).fill("unknown")]);
    for (const n of [1, 2, 3, 1024]) expect(await channels.accept("modest", n)).toBe("replayed");
    expect(await channels.accept("modest", 4)).toBe("accepted");
  });

  test("that are over make room before any that is not", async () => {
    const { clock, channels } = open(10);
    await channels.create("over", "over", 10);
    for (const n of spread(3, 1024)) await channels.accept("over", n);
    clock.advance(11);
    await channels.create("alive", "alive", 60);
    for (const n of spread(10, 1024)) expect(await channels.accept("alive", n)).toBe("accepted");
    expect(await channels.findRoot("alive")).toBe("alive");
    for (const n of spread(10, 1024)) expect(await channels.accept("alive", n)).toBe("replayed");
  });
});
