import { Redis } from "ioredis";
import { describe, expect, onTestFinished, test } from "vitest";
import { systemClock } from "../src/clock.ts";
import { loginUser, newUser, registerUser } from "./support/client.ts";
import { hasRedisServer, isRequired, startRedisCluster, startRedisServer } from "./support/redis-server.ts";
import { sealedLogin } from "./support/sealed-login.ts";
import { startAppForTest, type TestApp } from "./support/start-app.ts";

const missingRedis = !isRequired("redis") && !hasRedisServer;
const missingCluster = missingRedis && !isRequired("redis-cluster");

/** A Redis of its own, and the hand of its operator. */
async function startRedis(policy: string): Promise<{ url: string; redis: Redis }> {
  const server = await startRedisServer();
  const redis = new Redis(server.url);
  onTestFinished(async () => {
    redis.disconnect();
    await server[Symbol.asyncDispose]();
  });
  await redis.config("SET", "maxmemory-policy", policy);
  return { url: server.url, redis };
}

const startOn = (url: string, env: Record<string, string> = {}) =>
  startAppForTest({ env: { REDIS_URL: url, ...env }, overrides: { clock: systemClock } });
const warnings = ({ logs }: TestApp) => logs.filter(({ level }) => level === "warn").map(({ msg }) => msg);
const codeOf = async (answer: Promise<{ body: { error: { code: string } } }>) => (await answer).body.error.code;

describe.skipIf(missingRedis)("a Redis that may forget keys", () => {
  test.each(["allkeys-lru", "volatile-ttl"])("by %s is warned of at the start", async (policy) => {
    const { url } = await startRedis(policy);
    expect(warnings(await startOn(url))).toContainEqual(
      `Redis' maxmemory-policy is ${policy}: a nonce it forgets lets a request pass twice; set noeviction`,
    );
  });

  test.skipIf(missingCluster)("is found among the masters of a cluster", async () => {
    const cluster = await startRedisCluster();
    onTestFinished(() => cluster[Symbol.asyncDispose]());
    const last = new Redis(cluster.nodes[2]?.url ?? "");
    await last.config("SET", "maxmemory-policy", "allkeys-random");
    last.disconnect();
    const server = await startOn(cluster.url, { REDIS_CLUSTER: "true" });
    expect(warnings(server)).toContainEqual(expect.stringContaining("maxmemory-policy is allkeys-random"));
  });

  test("under an account that may not ask for it, is no reason not to start", async () => {
    const { url, redis } = await startRedis("allkeys-lru");
    await redis.acl("SETUSER", "sello", "on", ">secret", "~*", "&*", "+@all", "-info");
    const server = await startOn(url.replace("redis://", "redis://sello:secret@"));
    expect(await codeOf(sealedLogin(server))).toBe("invalid_credentials");
  });

  test("costs a limit its count when a counter is deleted, and no call an error", async () => {
    const { url, redis } = await startRedis("allkeys-lru");
    const server = await startOn(url, { RATE_LIMIT_LOGIN_IP: "2/60" });
    const attempt = () => codeOf(loginUser(server.url, newUser().email));
    expect([await attempt(), await attempt(), await attempt()]).toStrictEqual([
      "invalid_credentials",
      "invalid_credentials",
      "rate_limited",
    ]);
    const counters = await redis.keys("*rate:*");
    expect(await redis.del(counters)).toBe(1);
    expect(await attempt()).toBe("invalid_credentials");
  });
});

describe.skipIf(missingRedis)("a Redis that forgets nothing", () => {
  test("is not warned of", async () => {
    const { url } = await startRedis("noeviction");
    expect(warnings(await startOn(url))).toStrictEqual([]);
  });

  test("and is full accepts no sealed request that it could not remember; everything else goes on", async () => {
    const { url, redis } = await startRedis("noeviction");
    const server = await startOn(url, { RATE_LIMIT_LOGIN_IP: "1000/60" });
    const { credentials } = await registerUser(server.url);
    expect(await codeOf(sealedLogin(server))).toBe("invalid_credentials");

    await redis.config("SET", "maxmemory", "1");
    expect(await codeOf(sealedLogin(server))).toBe("unavailable");
    expect((await loginUser(server.url, credentials.email)).status).toBe(200);

    await redis.config("SET", "maxmemory", "0");
    const again = () => codeOf(sealedLogin(server));
    await expect.poll(again, { timeout: 5_000, interval: 100 }).toBe("invalid_credentials");
  });
});
