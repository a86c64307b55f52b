import { describe, expect, test } from "vitest";
import { addressBucket } from "../src/domain/address.ts";
import { call, loginUser, newUser, refresh, registerUser } from "./support/client.ts";
import { rpc } from "./support/rpc.ts";
import { startAppForTest, type TestApp } from "./support/start-app.ts";

type Answer = { status: number; headers: Headers; body: { error?: { code: string; message: string } } };

/** A login that fails, from a client that a proxy says it is. */
const loginFrom = (server: TestApp, headers: Record<string, string>, identifier = newUser().email): Promise<Answer> =>
  call(`${server.url}/auth/login`, { body: { identifier, password: "not the passphrase" }, headers });

const PROXIED = { RATE_LIMIT_LOGIN_IP: "2/60", TRUSTED_PROXIES: "127.0.0.0/8,10.0.0.0/8" };

describe("a limit by address", () => {
  test("answers the call after the last with 429, and says when to come back", async () => {
    const server = await startAppForTest({ env: { RATE_LIMIT_LOGIN_IP: "3/60" } });
    for (let i = 0; i < 3; i++) expect((await loginFrom(server, {})).status).toBe(401);
    const limited = await loginFrom(server, {});
    expect(limited.status).toBe(429);
    expect(limited.body).toStrictEqual({ error: { code: "rate_limited", message: expect.any(String) } });
    expect(Number(limited.headers.get("retry-after"))).toBeGreaterThan(50);
    expect(Number(limited.headers.get("retry-after"))).toBeLessThanOrEqual(60);
    expect(limited.headers.get("ratelimit-limit")).toBe("3");
    expect(limited.headers.get("ratelimit-remaining")).toBe("0");
    expect(limited.headers.get("ratelimit-reset")).toBe(limited.headers.get("retry-after"));
  });

  test("is one limit for every protocol and both paths of a login", async () => {
    const server = await startAppForTest({ env: { RATE_LIMIT_LOGIN_IP: "2/60" } });
    const body = { identifier: newUser().email, password: "not the passphrase" };
    await call(`${server.url}/auth/login`, { body });
    await call(`${server.url}/auth/token`, { body });
    expect(await rpc(server.url, "Login", { body })).toMatchObject({ status: 429, reason: "rate_limited" });
  });

  test.each([
    ["RATE_LIMIT_REGISTER_IP", (url: string) => call(`${url}/auth/register`, { body: newUser() })],
    ["RATE_LIMIT_REFRESH_IP", (url: string) => refresh(url, "garbage")],
  ])("is there for %s too, and each has its own count", async (name, attempt) => {
    const server = await startAppForTest({ env: { [name]: "1/60", RATE_LIMIT_LOGIN_IP: "5/60" } });
    expect((await attempt(server.url)).status).not.toBe(429);
    expect((await attempt(server.url)).status).toBe(429);
    expect((await loginFrom(server, {})).status).toBe(401);
  });

  test("opens again when its time is over", async () => {
    const server = await startAppForTest({ env: { RATE_LIMIT_LOGIN_IP: "1/1" } });
    await loginFrom(server, {});
    expect((await loginFrom(server, {})).status).toBe(429);
    await expect.poll(async () => (await loginFrom(server, {})).status, { timeout: 5_000, interval: 300 }).toBe(401);
  });

  test("is switched off by off", async () => {
    const server = await startAppForTest({ env: { RATE_LIMIT_LOGIN_IP: "off" } });
    for (let i = 0; i < 100; i++) expect((await loginFrom(server, {})).status).toBe(401);
  });

  test.skipIf(!process.env["REDIS_URL"])("is shared by replicas", async () => {
    const env = { RATE_LIMIT_LOGIN_IP: "2/60" };
    const server = await startAppForTest({ env });
    const replica = await startAppForTest({ env, databaseUrl: server.databaseUrl, keysDir: server.keysDir });
    await loginFrom(server, {});
    await loginFrom(replica, {});
    expect((await loginFrom(server, {})).status).toBe(429);
    expect((await loginFrom(replica, {})).status).toBe(429);
  });
});

describe("the address of a client", () => {
  test.each([
    "x-forwarded-for",
    "forwarded",
    "x-real-ip",
    "client-ip",
    "x-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
  ])("is not what it says itself in %s", async (header) => {
    const server = await startAppForTest({ env: { RATE_LIMIT_LOGIN_IP: "1/60" } });
    await loginFrom(server, { [header]: "203.0.113.1" });
    expect((await loginFrom(server, { [header]: "203.0.113.2" })).status).toBe(429);
  });

  test("is what a trusted proxy says", async () => {
    const server = await startAppForTest({ env: PROXIED });
    for (let i = 0; i < 2; i++) await loginFrom(server, { "x-forwarded-for": "203.0.113.1" });
    expect((await loginFrom(server, { "x-forwarded-for": "203.0.113.1" })).status).toBe(429);
    expect((await loginFrom(server, { "x-forwarded-for": "203.0.113.2" })).status).toBe(401);
  });

  test("is the last that no trusted proxy has: what the client put before it says nothing", async () => {
    const server = await startAppForTest({ env: PROXIED });
    for (let i = 0; i < 2; i++)
      await loginFrom(server, { "x-forwarded-for": `198.51.100.${i}, 203.0.113.1, 10.1.1.1` });
    expect((await loginFrom(server, { "x-forwarded-for": "198.51.100.9, 203.0.113.1" })).status).toBe(429);
  });

  test("is one for an IPv4 address and its IPv6 form", async () => {
    const server = await startAppForTest({ env: PROXIED });
    await loginFrom(server, { "x-forwarded-for": "::ffff:203.0.113.1" });
    await loginFrom(server, { "x-forwarded-for": "::FFFF:203.0.113.1" });
    expect((await loginFrom(server, { "x-forwarded-for": "203.0.113.1" })).status).toBe(429);
  });

  test("is one for a whole /64, and another for the next", async () => {
    const server = await startAppForTest({ env: PROXIED });
    await loginFrom(server, { "x-forwarded-for": "2001:db8:1:2::1" });
    await loginFrom(server, { "x-forwarded-for": "2001:DB8:1:2:ffff:ffff:ffff:ffff" });
    expect((await loginFrom(server, { "x-forwarded-for": "2001:db8:1:2:3:4:5:6" })).status).toBe(429);
    expect((await loginFrom(server, { "x-forwarded-for": "2001:db8:1:3::1" })).status).toBe(401);
  });

  test("is recorded as it was found, garbage apart", async () => {
    const server = await startAppForTest({ env: PROXIED });
    for (const hops of ["2001:db8::7", "::ffff:203.0.113.1", "garbage", "'; DROP TABLE users; --"]) {
      expect((await loginFrom(server, { "x-forwarded-for": hops })).status).toBe(401);
    }
    const { rows } = await server.db.query("SELECT host(ip) AS ip FROM login_attempts ORDER BY id");
    expect(rows.map(({ ip }) => ip)).toStrictEqual(["2001:db8::7", "203.0.113.1", "127.0.0.1", "127.0.0.1"]);
  });

  test.each([
    ["203.0.113.1", "203.0.113.1"],
    ["2001:db8:1:2::1", "2001:db8:1:2::/64"],
    ["2001:db8::1:2:3:4", "2001:db8:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["2001:0db8:0001:0002:0003:0004:0005:0006", "2001:db8:1:2::/64"],
  ])("%s is counted as %s", (address, bucket) => {
    expect(addressBucket(address)).toBe(bucket);
  });
});

describe("a limit by account", () => {
  test("stands in the way of guesses from many addresses", async () => {
    const server = await startAppForTest({
      env: { RATE_LIMIT_LOGIN_ACCOUNT: "3/60", TRUSTED_PROXIES: "127.0.0.0/8", LOCKOUT_THRESHOLD: "1000" },
    });
    const { credentials } = await registerUser(server.url);
    const other = await registerUser(server.url);
    const from = (i: number) => loginFrom(server, { "x-forwarded-for": `203.0.113.${i}` }, credentials.email);
    for (let i = 1; i <= 3; i++) expect((await from(i)).status).toBe(401);
    expect(await from(4)).toMatchObject({ status: 429, body: { error: { code: "rate_limited" } } });
    expect((await loginUser(server.url, other.credentials.email)).status).toBe(200);
  });

  test("is the same for an account that does not exist", async () => {
    const server = await startAppForTest({ env: { RATE_LIMIT_LOGIN_ACCOUNT: "3/60" } });
    const { email } = newUser();
    for (let i = 0; i < 3; i++) await loginFrom(server, {}, i % 2 ? email : email.toUpperCase());
    expect((await loginFrom(server, {}, email)).status).toBe(429);
  });
});

describe("a limit over a time that no timer can wait for", () => {
  test("holds all the same", async () => {
    const server = await startAppForTest({ env: { RATE_LIMIT_LOGIN_IP: "1/9999999" } });
    await loginFrom(server, {});
    for (let i = 0; i < 5; i++) expect((await loginFrom(server, {})).status).toBe(429);
  });
});
