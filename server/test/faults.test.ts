import { randomUUID } from "node:crypto";
import { describe, expect, onTestFinished, test } from "vitest";
import { systemClock } from "../src/clock.ts";
import type { AuthError } from "../src/domain/errors.ts";
import { openRedisStores } from "../src/redis/stores.ts";
import { call, loginUser, me, newUser, refresh, registerUser } from "./support/client.ts";
import {
  hasRedisServer,
  isRequired,
  type RedisServer,
  startRedisCluster,
  startRedisServer,
} from "./support/redis-server.ts";
import { rpc } from "./support/rpc.ts";
import { sealedLogin } from "./support/sealed-login.ts";
import { createTestDatabase, dropTestDatabase, startAppForTest, type TestApp } from "./support/start-app.ts";
import { proxyOf, type TcpProxy } from "./support/tcp-proxy.ts";

const WITHIN_MS = 1_000;
const RECOVERY = { timeout: 5_000, interval: 100 };

async function timed<T>(promise: Promise<T>): Promise<{ answer: T; elapsedMs: number }> {
  const begun = performance.now();
  const answer = await promise;
  return { answer, elapsedMs: performance.now() - begun };
}

const isReady = async (server: TestApp) => (await fetch(`${server.url}/readyz`)).status;

const missingRedis = !isRequired("redis") && !hasRedisServer;

describe.skipIf(missingRedis)("while Redis", () => {
  const FAULTS: [string, (redis: RedisServer, proxy: TcpProxy) => Promise<void> | void][] = [
    ["is dead", (redis) => redis.kill()],
    ["is frozen", (redis) => redis.freeze()],
    ["is behind a wire that swallows everything", (_redis, proxy) => proxy.swallow()],
  ];

  test.each(FAULTS)("%s, accounts and sessions go on, nonces do not, and everything heals", async (_name, fail) => {
    const redis = await startRedisServer();
    onTestFinished(() => redis[Symbol.asyncDispose]());
    const { proxy, url } = await proxyOf(redis.url, 6379);
    onTestFinished(() => proxy[Symbol.asyncDispose]());
    const server = await startAppForTest({
      env: { REDIS_URL: url, RATE_LIMIT_LOGIN_IP: "1000/60", RATE_LIMIT_REFRESH_IP: "1000/60" },
      overrides: { clock: systemClock },
    });
    const { credentials, access_token, refresh_token } = await registerUser(server.url);
    expect((await sealedLogin(server)).body.error.code).toBe("invalid_credentials");
    expect(await isReady(server)).toBe(200);

    await fail(redis, proxy);
    const login = await timed(loginUser(server.url, credentials.email));
    const refreshed = await timed(refresh(server.url, refresh_token));
    const bearer = await timed(me(server.url, access_token));
    const sealed = await timed(sealedLogin(server));
    const readiness = await timed(isReady(server));
    const out = await timed(call(`${server.url}/auth/logout`, { body: { refresh_token } }));
    const revoked = await timed(me(server.url, access_token));
    expect([login, refreshed, bearer, out].map(({ answer }) => answer.status)).toStrictEqual([200, 200, 200, 200]);
    expect(sealed.answer).toMatchObject({ status: 503, body: { error: { code: "unavailable" } } });
    await expect.poll(() => isReady(server), RECOVERY).toBe(503);
    expect(revoked.answer.body.error.code).toBe("token_revoked");
    for (const { elapsedMs } of [login, refreshed, bearer, sealed, readiness, out, revoked]) {
      expect(elapsedMs).toBeLessThan(WITHIN_MS);
    }

    redis.thaw();
    await redis.kill();
    await redis.start();
    proxy.restore();
    await expect.poll(() => isReady(server), RECOVERY).toBe(200);
    await expect.poll(async () => (await sealedLogin(server)).body.error.code, RECOVERY).toBe("invalid_credentials");
    expect((await loginUser(server.url, credentials.email)).status).toBe(200);
    expect((await me(server.url, login.answer.body.access_token)).status).toBe(200);
    expect((await me(server.url, access_token)).body.error.code).toBe("token_revoked");
  });

  test("is down, the limits of each process hold", async () => {
    const redis = await startRedisServer();
    onTestFinished(() => redis[Symbol.asyncDispose]());
    const server = await startAppForTest({ env: { REDIS_URL: redis.url, RATE_LIMIT_LOGIN_IP: "2/60" } });
    await redis.kill();
    const statuses: number[] = [];
    for (let i = 0; i < 4; i++) statuses.push((await loginUser(server.url, newUser().email)).status);
    expect(statuses).toStrictEqual([401, 401, 429, 429]);
  });
});

describe.skipIf(!isRequired("redis-cluster") && !hasRedisServer)("while one master of a Redis Cluster is dead", () => {
  test("every answer comes within a second, limits hold, and everything heals when it is back", async () => {
    const cluster = await startRedisCluster();
    onTestFinished(() => cluster[Symbol.asyncDispose]());
    const stores = await openRedisStores({
      url: cluster.url,
      cluster: true,
      keyPrefix: "sello:test:",
      onError: () => undefined,
      rateLimits: {
        login_ip: { points: 1_000, duration: 60 },
        login_account: undefined,
        register_ip: undefined,
        refresh_ip: undefined,
        handshake_ip: undefined,
      },
    });
    onTestFinished(() => stores.close());
    const claim = () => stores.nonces.claim(randomUUID(), 60).catch((error: AuthError) => error.reason);
    expect(await claim()).toBe(true);
    expect(await stores.isReady()).toBe(true);

    const [, second] = cluster.nodes;
    await second?.kill();
    const claims = await Promise.all(Array.from({ length: 40 }, () => timed(claim())));
    expect(claims.map(({ answer }) => answer)).toContain("unavailable");
    const hits = await Promise.all(
      Array.from({ length: 40 }, () => timed(stores.rateCounter.hit("login_ip", randomUUID()))),
    );
    expect(hits.every(({ answer }) => answer?.exceeded === false)).toBe(true);
    await expect.poll(() => stores.isReady(), RECOVERY).toBe(false);
    const readiness = await timed(stores.isReady());
    for (const { elapsedMs } of [...claims, ...hits, readiness]) expect(elapsedMs).toBeLessThan(WITHIN_MS);

    await second?.start();
    // The nodes take some seconds of their own until they agree.
    await expect.poll(() => stores.isReady(), { timeout: 20_000, interval: 100 }).toBe(true);
    const all = async () => new Set(await Promise.all(Array.from({ length: 40 }, claim)));
    await expect.poll(all, RECOVERY).toStrictEqual(new Set([true]));
  });
});

/** A server whose database is behind a wire that can go silent. */
async function startBehindWire(): Promise<{ server: TestApp; proxy: TcpProxy }> {
  const databaseUrl = await createTestDatabase();
  onTestFinished(() => dropTestDatabase(databaseUrl));
  const { proxy, url } = await proxyOf(databaseUrl, 5432);
  onTestFinished(() => proxy[Symbol.asyncDispose]());
  const server = await startAppForTest({
    databaseUrl,
    env: { DATABASE_URL: url },
    overrides: { clock: systemClock },
  });
  return { server, proxy };
}

describe("while PostgreSQL", () => {
  const FAULTS: [string, (proxy: TcpProxy) => void][] = [
    ["is behind a wire that swallows everything", (proxy) => proxy.swallow()],
    ["is away", (proxy) => proxy.cut()],
  ];

  test.each(FAULTS)(
    "%s, every call is unavailable within about a second, and everything heals",
    async (_name, fail) => {
      const { server, proxy } = await startBehindWire();
      const { credentials, access_token, refresh_token } = await registerUser(server.url);
      await Promise.all(Array.from({ length: 20 }, () => me(server.url, access_token)));

      fail(proxy);
      const calls: (() => Promise<{ status: number; body: object }>)[] = [
        () => me(server.url, access_token),
        () => loginUser(server.url, credentials.email),
        () => refresh(server.url, refresh_token),
        () => call(`${server.url}/auth/logout`, { body: { refresh_token } }),
        () => call(`${server.url}/auth/register`, { body: newUser() }),
      ];
      for (const attempt of [...calls, ...calls]) {
        const { answer, elapsedMs } = await timed(attempt());
        expect(answer).toMatchObject({ status: 503, body: { error: { code: "unavailable" } } });
        expect(elapsedMs).toBeLessThan(WITHIN_MS + 300);
      }
      const readiness = await timed(isReady(server));
      expect(readiness.answer).toBe(503);
      expect(readiness.elapsedMs).toBeLessThan(WITHIN_MS + 300);

      const many = await Promise.all(Array.from({ length: 40 }, () => timed(me(server.url, access_token))));
      expect(new Set(many.map(({ answer }) => answer.status))).toStrictEqual(new Set([503]));
      expect(Math.max(...many.map(({ elapsedMs }) => elapsedMs))).toBeLessThan(WITHIN_MS + 800);

      proxy.restore();
      await expect.poll(() => isReady(server), RECOVERY).toBe(200);
      expect((await me(server.url, access_token)).status).toBe(200);
      expect((await loginUser(server.url, credentials.email)).status).toBe(200);
      expect((await refresh(server.url, refresh_token)).status).toBe(200);
      expect(server.logs.filter(({ msg }) => msg === "a call failed")).toStrictEqual([]);
    },
  );

  test("ends every connection, idle or in a transaction, the server lives on", async () => {
    const server = await startAppForTest();
    const { access_token, credentials } = await registerUser(server.url);
    const blocker = await server.db.connect();
    await blocker.query("BEGIN");
    await blocker.query("SELECT FROM users WHERE email = $1 FOR UPDATE", [credentials.email]);
    const change = rpc(server.url, "ChangePassword", {
      token: access_token,
      body: { currentPassword: credentials.password, newPassword: "quite another passphrase" },
    });
    const others = "pid <> pg_backend_pid() AND application_name = 'sello' AND datname = current_database()";
    await expect
      .poll(async () => {
        const waiting = `SELECT FROM pg_stat_activity WHERE ${others} AND wait_event_type = 'Lock'`;
        return (await server.db.query(waiting)).rowCount;
      })
      .toBe(1);
    await blocker.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${others}`);
    expect((await change).reason).toBe("unavailable");
    await blocker.query("ROLLBACK");
    blocker.release();
    await expect.poll(async () => (await me(server.url, access_token)).status, RECOVERY).toBe(200);
    expect((await loginUser(server.url, credentials.email)).status).toBe(200);
  });

  test("lets a statement wait for a lock, the call is unavailable within about a second and nothing waits on", async () => {
    const server = await startAppForTest();
    const { refresh_token } = await registerUser(server.url);
    const blocker = await server.db.connect();
    await blocker.query("BEGIN");
    await blocker.query("LOCK TABLE refresh_tokens");
    const { answer, elapsedMs } = await timed(refresh(server.url, refresh_token));
    expect(answer).toMatchObject({ status: 503, body: { error: { code: "unavailable" } } });
    expect(elapsedMs).toBeLessThan(WITHIN_MS + 300);
    await expect
      .poll(async () => (await blocker.query("SELECT FROM pg_locks WHERE NOT granted")).rowCount, RECOVERY)
      .toBe(0);
    await blocker.query("ROLLBACK");
    blocker.release();
    expect((await refresh(server.url, refresh_token)).status).toBe(200);
  });
});
