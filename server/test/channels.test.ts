import type { FrontAnswer } from "@sello/envelope";
import { AuthService } from "@sello/gen/auth/v1/auth_service_pb";
import { ChannelService } from "@sello/gen/auth/v1/channel_service_pb";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { opened, shakeHands } from "./support/channel.ts";
import { call, me, newUser, PASSWORD, refresh, registerUser, type Tokens } from "./support/client.ts";
import { bindingOf, callBy, WAYS, type Way } from "./support/each-protocol.ts";
import { hasRedisServer, isRequired, startRedisServer } from "./support/redis-server.ts";
import { recipientOf, seal } from "./support/seal.ts";
import { startApp, startAppForTest, type TestApp } from "./support/start-app.ts";
import { openWire, type Wire } from "./support/wire.ts";

let server: TestApp;
let wire: Wire;
beforeAll(async () => {
  server = await startApp({ env: { RATE_LIMIT_HANDSHAKE_IP: "off", LOCKOUT_THRESHOLD: "100000" } });
  wire = openWire(server.url);
});
afterAll(async () => {
  await wire[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const { login, register, refreshToken, getMe, logout } = AuthService.method;
const HANDSHAKE = { method: ChannelService.method.handshake, route: { verb: "POST", path: "/auth/handshake" } };
const LOGIN = { method: login, route: { verb: "POST", path: "/auth/login" } };
const REGISTER = { method: register, route: { verb: "POST", path: "/auth/register" } };
const REFRESH = { method: refreshToken, route: { verb: "POST", path: "/auth/token/refresh" } };
const LOGOUT = { method: logout, route: { verb: "POST", path: "/auth/logout" } };
const ME = { method: getMe, route: { verb: "GET", path: "/auth/me" } };
const NOBODY = JSON.stringify({ identifier: "nobody@example.com", password: PASSWORD });

type Channel = Awaited<ReturnType<typeof shakeHands>>["channel"];
type Target = Parameters<typeof bindingOf>[1];

const send = (way: Way, target: Target, sessionEnc: object, to = wire, headers = {}) =>
  callBy(to, way, { ...target, message: { sessionEnc }, headers });

/** Makes one call through a channel, and opens its answer. */
async function through(channel: Channel, way: Way, target: Target, body: object, headers = {}) {
  const sealed = await channel.seal(JSON.stringify(body), bindingOf(way, target));
  const answer = await send(way, target, sealed.envelope, wire, headers);
  if (!answer.ok) return { ...answer, content: {} as Record<string, unknown> };
  const { sessionEnc } = answer.data as unknown as { sessionEnc: { sid: string; n: number; iv: string; ct: string } };
  return { ...answer, content: await opened(sealed, sessionEnc) };
}

describe("a handshake", () => {
  test.each([undefined, "P-256", "X25519"] as const)(
    "with key share %s opens a channel of fifteen minutes",
    async (curve) => {
      const { sid, expiresInS, channel } = await shakeHands(server, curve);
      expect(sid).toMatch(/^[\w-]{22}$/);
      expect(expiresInS).toBe(900);
      expect((await through(channel, "rest", LOGIN, JSON.parse(NOBODY))).reason).toBe("invalid_credentials");
    },
  );

  test.each(WAYS)("is made over %s, and its answer holds the id and the time", async (way) => {
    const recipient = await recipientOf(server.url, "ECDH-ES");
    const { envelope, openAnswer } = await seal(server, {}, { recipient, binding: bindingOf(way, HANDSHAKE) });
    const { ok, data } = await callBy(wire, way, { ...HANDSHAKE, message: { frontEnc: envelope } });
    expect(ok).toBe(true);
    const plaintext = Buffer.from(await openAnswer(data?.frontEnc as FrontAnswer)).toString();
    expect(JSON.parse(plaintext)).toStrictEqual({ sid: expect.stringMatching(/^[\w-]{22}$/), expires_in: 900 });
  });

  test("in clear is envelope_required, through another channel too", async () => {
    const plain = await call(`${server.url}/auth/handshake`, { body: {} });
    expect([plain.status, plain.body]).toMatchObject([400, { error: { code: "envelope_required" } }]);
    const { channel } = await shakeHands(server);
    const { envelope } = await channel.seal("{}", "/auth/handshake");
    const nested = await call(`${server.url}/auth/handshake`, { body: { __session_enc__: envelope } });
    expect([nested.status, nested.body]).toMatchObject([400, { error: { code: "envelope_required" } }]);
  });

  test("opens one channel: its replay is refused", async () => {
    const recipient = await recipientOf(server.url, "ECDH-ES");
    const { envelope } = await seal(server, {}, { recipient, binding: "/auth/handshake" });
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => call(`${server.url}/auth/handshake`, { body: { __front_enc__: envelope } })),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    const refused = answers.filter(({ status }) => status !== 200).map(({ body }) => body);
    expect(refused).toHaveLength(19);
    for (const body of refused) expect(body).toMatchObject({ error: { code: "envelope_replayed" } });
  });

  test.each([
    ["of a curve that there is not", { kty: "EC", crv: "P-384", x: "AAAA", y: "AAAA" }],
    ["off its curve", { kty: "EC", crv: "P-256", x: "A".repeat(43), y: "A".repeat(43) }],
    ["of small order", { kty: "OKP", crv: "X25519", x: "A".repeat(43) }],
    ["without a point", { kty: "EC", crv: "P-256" }],
  ])("with a key share %s is envelope_invalid", async (_name, keyShare) => {
    const recipient = await recipientOf(server.url, "ECDH-ES");
    const { envelope } = await seal(server, { key_share: keyShare }, { recipient, binding: "/auth/handshake" });
    const { status, body } = await call(`${server.url}/auth/handshake`, { body: { __front_enc__: envelope } });
    expect([status, body]).toMatchObject([400, { error: { code: "envelope_invalid" } }]);
  });

  test("is limited by address", async () => {
    const limited = await startAppForTest({ env: { RATE_LIMIT_HANDSHAKE_IP: "2/60" } });
    for (let i = 0; i < 2; i++) await shakeHands(limited);
    const refused = await call(`${limited.url}/auth/handshake`, { body: {} });
    expect([refused.status, refused.body]).toMatchObject([429, { error: { code: "rate_limited" } }]);
  });
});

describe.each(WAYS)("a session in a channel over %s", (way) => {
  test("begins, goes on and ends, and shows nothing of itself", async () => {
    const { channel } = await shakeHands(server, "P-256");
    const user = newUser();
    const registered = await through(channel, way, REGISTER, user);
    expect(registered.content).toMatchObject({ token_type: "Bearer", user: { email: user.email, is_admin: false } });
    expect(registered.text).not.toContain(user.email);
    const loggedIn = await through(channel, way, LOGIN, { identifier: user.email, password: user.password });
    const refreshed = await through(channel, way, REFRESH, { refresh_token: loggedIn.content["refresh_token"] });
    const accessToken = String(refreshed.content["access_token"]);
    expect((await me(server.url, accessToken)).status).toBe(200);
    const ended = await through(channel, way, LOGOUT, { refresh_token: refreshed.content["refresh_token"] });
    expect(ended.content).toStrictEqual({});
    expect((await me(server.url, accessToken)).body.error.code).toBe("token_revoked");
  });

  test("has its errors in clear", async () => {
    const { channel } = await shakeHands(server);
    expect((await through(channel, way, LOGIN, { identifier: "nobody@example.com", password: PASSWORD })).reason).toBe(
      "invalid_credentials",
    );
  });

  test("takes messages in any order, each once, of twenty at once", async () => {
    const { channel } = await shakeHands(server);
    const binding = bindingOf(way, LOGIN);
    const sealed = [];
    for (let i = 0; i < 3; i++) sealed.push((await channel.seal(NOBODY, binding)).envelope);
    for (const envelope of sealed.reverse()) {
      const answers = await Promise.all(Array.from({ length: 20 }, () => send(way, LOGIN, envelope)));
      const reasons = answers.map(({ reason }) => reason).sort();
      expect(reasons).toStrictEqual([...Array(19).fill("envelope_replayed"), "invalid_credentials"]);
    }
  });

  test("is channel_expired, in one form, for whatever does not open", async () => {
    const [{ channel }, { channel: other }] = await Promise.all([shakeHands(server), shakeHands(server)]);
    const binding = bindingOf(way, LOGIN);
    const fresh = async () => (await channel.seal(NOBODY, binding)).envelope;
    const flipped = (text: string) => (text[0] === "A" ? "B" : "A") + text.slice(1);
    const wrong: object[] = [
      { ...(await fresh()), sid: "A".repeat(22) },
      { ...(await fresh()), sid: "short" },
      { ...(await fresh()), sid: other.sid },
      { ...(await fresh()), n: 77 },
      { ...(await fresh()), n: 0 },
      { ...(await fresh()), n: 2 ** 20 + 1 },
      { ...(await fresh()), iv: "AAAA" },
      { ...(await fresh()), ct: "AAAA" },
      await fresh().then((envelope) => ({ ...envelope, ct: flipped(envelope.ct) })),
      await fresh().then((envelope) => ({ ...envelope, iv: flipped(envelope.iv) })),
      await channel.seal(NOBODY, "/auth/logout").then(({ envelope }) => envelope),
    ];
    const answers = await Promise.all(wrong.map((envelope) => send(way, LOGIN, envelope)));
    const forms = new Set(answers.map(({ reason, message, status }) => JSON.stringify({ reason, message, status })));
    expect([...forms]).toHaveLength(1);
    expect(answers[0]?.reason).toBe("channel_expired");
    // None of them used up a number of the channel.
    expect((await send(way, LOGIN, await fresh())).reason).toBe("invalid_credentials");
  });

  test("cannot hold another envelope, nor anything beside it", async () => {
    const { channel } = await shakeHands(server);
    const binding = bindingOf(way, LOGIN);
    const inner = (await channel.seal(NOBODY, binding)).envelope;
    const outer = (await channel.seal(JSON.stringify({ __session_enc__: inner }), binding)).envelope;
    expect((await send(way, LOGIN, outer)).reason).toBe("invalid_request");
    const beside = { sessionEnc: (await channel.seal(NOBODY, binding)).envelope, password: PASSWORD };
    expect((await callBy(wire, way, { ...LOGIN, message: beside })).reason).toBe("invalid_request");
  });
});

test("a bearer call can be made in a channel", async () => {
  const { access_token } = await registerUser(server.url);
  const { channel } = await shakeHands(server);
  const headers = { authorization: `Bearer ${access_token}` };
  const answer = await through(channel, "connect-json", ME, {}, headers);
  expect(answer.content).toMatchObject({ user: { is_admin: false } });
});

describe("a channel's time", () => {
  test("is over sixty seconds after the client should have left it", async () => {
    const app = await startAppForTest({ env: { REDIS_URL: "", CHANNEL_TTL_S: "100" } });
    const to = openWire(app.url);
    onTestFinished(() => to[Symbol.asyncDispose]());
    const { channel, expiresInS } = await shakeHands(app);
    expect(expiresInS).toBe(100);
    const tryOnce = async () =>
      (await send("rest", LOGIN, (await channel.seal(NOBODY, "/auth/login")).envelope, to)).reason;
    app.clock.advance(159);
    expect(await tryOnce()).toBe("invalid_credentials");
    app.clock.advance(2);
    expect(await tryOnce()).toBe("channel_expired");
  });
});

const missingRedis = !isRequired("redis") && !hasRedisServer;

describe.skipIf(missingRedis)("channels in Redis", () => {
  async function replicas() {
    const redis = await startRedisServer();
    onTestFinished(() => redis[Symbol.asyncDispose]());
    const env = { REDIS_URL: redis.url, RATE_LIMIT_HANDSHAKE_IP: "off" };
    const one = await startAppForTest({ env });
    const { databaseUrl, keysDir } = one;
    const two = await startAppForTest({ env, databaseUrl, keysDir });
    const wires = [openWire(one.url), openWire(two.url)];
    onTestFinished(async () => {
      for (const each of wires) await each[Symbol.asyncDispose]();
    });
    return { redis, one, two, wires };
  }

  test("are those of every replica, and a message is accepted by one of them", async () => {
    const { one, wires } = await replicas();
    const { channel } = await shakeHands(one);
    for (let round = 0; round < 5; round++) {
      const { envelope } = await channel.seal(NOBODY, "/auth/login");
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, i) => send("rest", LOGIN, envelope, wires[i % 2])),
      );
      const reasons = answers.map(({ reason }) => reason).sort();
      expect(reasons).toStrictEqual([...Array(19).fill("envelope_replayed"), "invalid_credentials"]);
    }
  });

  test("are there as wrapped roots and numbers, and no key can be read", async () => {
    const { redis, one } = await replicas();
    const { sid } = await shakeHands(one, "P-256");
    const client = new Redis(redis.url);
    onTestFinished(() => client.disconnect());
    const keys = await client.keys("*channel*");
    expect(keys).toHaveLength(1);
    expect(keys[0]).toContain(`channel:{${sid}}:root`);
    expect(await client.get(keys[0] ?? "")).toMatch(/^kms1\.[\w-]+\.[\w-]{80}$/);
    expect(await client.ttl(keys[0] ?? "")).toBeGreaterThan(900);
    expect(await client.ttl(keys[0] ?? "")).toBeLessThanOrEqual(960);
  });

  test("are unavailable within a second while Redis is gone, and go on when it is back, without a restart", async () => {
    const { redis, one, wires } = await replicas();
    const { channel } = await shakeHands(one);
    const tryOnce = async () =>
      (await send("rest", LOGIN, (await channel.seal(NOBODY, "/auth/login")).envelope, wires[0])).reason;
    expect(await tryOnce()).toBe("invalid_credentials");
    redis.freeze();
    const begun = performance.now();
    expect(await tryOnce()).toBe("unavailable");
    expect(performance.now() - begun).toBeLessThan(1_000);
    redis.thaw();
    await expect.poll(tryOnce, { timeout: 5_000, interval: 200 }).toBe("invalid_credentials");
    await redis.kill();
    expect(await tryOnce()).toBe("unavailable");
    await redis.start();
    await expect.poll(tryOnce, { timeout: 8_000, interval: 200 }).toBe("channel_expired");
    const renewed = await shakeHands(one);
    const { envelope } = await renewed.channel.seal(NOBODY, "/auth/login");
    expect((await send("rest", LOGIN, envelope, wires[1])).reason).toBe("invalid_credentials");
  });
});

test("a user who began a session in a channel goes on without one", async () => {
  const { channel } = await shakeHands(server);
  const { content } = await through(channel, "rest", REGISTER, newUser());
  const tokens = content as unknown as Tokens;
  expect((await refresh(server.url, tokens.refresh_token)).status).toBe(200);
});
