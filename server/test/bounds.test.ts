import { connect } from "node:http2";
import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { AuthService, LoginRequestSchema } from "@sello/gen/auth/v1/auth_service_pb";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { createBodyBudget } from "../src/http/body-budget.ts";
import { call, me, newUser, PASSWORD, registerUser } from "./support/client.ts";
import { bindingOf, callBy, WAYS } from "./support/each-protocol.ts";
import { exchange } from "./support/raw-socket.ts";
import { recipientOf, seal } from "./support/seal.ts";
import { startApp, startAppForTest, type TestApp } from "./support/start-app.ts";
import { openWire, readRest, readRpc, sendRpc, type Wire } from "./support/wire.ts";

let server: TestApp;
let wire: Wire;
beforeAll(async () => {
  server = await startApp({ env: { LOCKOUT_THRESHOLD: "100000" } });
  wire = openWire(server.url);
});
afterAll(async () => {
  await wire[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const LOGIN = "/auth.v1.AuthService/Login";
const JSON_TYPE = { "content-type": "application/json" };
const BINARY = ["connect-proto", "grpc-web", "grpc"] as const;
const MIB = 1024 * 1024;

describe("a call over its limit by address", () => {
  test.each([
    ["a plain route", "/auth/login"],
    ["an RPC", LOGIN],
  ])("is refused before its body comes, over %s", async (_name, path) => {
    const limited = await startAppForTest({ env: { RATE_LIMIT_LOGIN_IP: "1/60" } });
    await call(`${limited.url}/auth/login`, { body: { identifier: "nobody", password: PASSWORD } });
    const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 900000\r\n\r\n`;
    const { text, ms } = await exchange(limited.url, head, { until: /\r\n\r\n.+/s });
    expect(text).toMatch(/^HTTP\/1\.1 429 /);
    expect(ms).toBeLessThan(1_000);
    expect(limited.logs).toContainEqual(expect.objectContaining({ msg: "call", code: "rate_limited" }));
  });
});

describe("a body", () => {
  test("of very many members is refused, and holds nobody up", async () => {
    const body = JSON.stringify(Object.fromEntries(Array.from({ length: 60_000 }, (_, i) => [`k${i}`, 0])));
    for (const path of ["/auth/login", LOGIN]) {
      const answer = await wire.http1({ path, headers: JSON_TYPE, body });
      expect(answer.status).toBe(400);
      expect(answer.body.toString()).toContain("invalid_request");
    }
  });

  test("of as many members as are allowed is read", async () => {
    const members = Array.from({ length: 900 }, (_, i) => [`k${i}`, 0]);
    const body = { ...Object.fromEntries(members), identifier: "nobody", password: PASSWORD };
    expect((await call(`${server.url}/auth/login`, { body })).body).toMatchObject({
      error: { code: "invalid_credentials" },
    });
  });

  test.each(["a", '\\"', "\\\\", "ñ", "{[,:]}"])("with a long string of %s is read", async (letters) => {
    const body = `{"identifier":"nobody","password":"${letters.repeat(20_000)}"}`;
    const { body: answer } = await call(`${server.url}/auth/login`, { body });
    expect(answer).toMatchObject({ error: { code: "validation_failed" } });
  });
});

describe("an envelope in binary", () => {
  const sealedLogin = async () => {
    const recipient = await recipientOf(server.url, "ECDH-ES");
    return seal(server, { identifier: "nobody@example.com", password: PASSWORD }, { recipient, binding: LOGIN });
  };
  const message = (frontEnc: object) => toBinary(LoginRequestSchema, create(LoginRequestSchema, { frontEnc }));

  test.each(BINARY)("is invalid_request twice, or beside an empty field, over %s", async (way) => {
    const { envelope } = await sealedLogin();
    const once = message(envelope);
    const [half, rest] = [message({ kid: envelope.kid }), message({ ...envelope, kid: undefined })];
    const emptyPassword = Buffer.from([0x22, 0x00]);
    const variants = { twice: [once, once], merged: [half, rest], beside: [once, emptyPassword] };
    for (const [name, parts] of Object.entries(variants)) {
      const { reason } = await sendRpc(wire, way, { path: LOGIN, payload: Buffer.concat(parts) });
      expect({ name, reason }).toStrictEqual({ name, reason: "invalid_request" });
    }
    expect((await sendRpc(wire, way, { path: LOGIN, payload: once })).reason).toBe("invalid_credentials");
  });

  test("is held to the same when it comes compressed", async () => {
    const { envelope } = await sealedLogin();
    const once = message(envelope);
    const beside = gzipSync(Buffer.concat([once, Buffer.from([0x22, 0x00])]));
    const twice = gzipSync(Buffer.concat([once, once]));
    for (const body of [beside, twice]) {
      const headers = { "content-type": "application/proto", "content-encoding": "gzip" };
      const connect = await wire.http1({ path: LOGIN, headers, body });
      expect(connect.body.toString()).toContain("invalid_request");
      const grpc = await wire.http2({
        path: LOGIN,
        headers: { "content-type": "application/grpc", "grpc-encoding": "gzip", te: "trailers" },
        body: encodeEnvelope(1, body),
      });
      expect(readRpc("grpc", grpc).reason).toBe("invalid_request");
    }
    const headers = { "content-type": "application/proto", "content-encoding": "gzip" };
    const alone = await wire.http1({ path: LOGIN, headers, body: gzipSync(once) });
    expect(alone.body.toString()).toContain("invalid_credentials");
  });

  test.each(BINARY)("is invalid_request among very many fields, over %s", async (way) => {
    const payload = Buffer.alloc(4_000, Buffer.from([0x48, 0x01]));
    expect((await sendRpc(wire, way, { path: LOGIN, payload })).reason).toBe("invalid_request");
  });
});

describe("bodies on their way", () => {
  test("hold so much of one address and no more, and nobody else's share", () => {
    const budget = createBodyBudget(MIB);
    for (let i = 0; i < 16; i++) budget.take("192.0.2.1", MIB);
    expect(() => budget.take("192.0.2.1", 1)).toThrow(expect.objectContaining({ reason: "overloaded" }));
    budget.take("192.0.2.2", MIB);
    budget.giveBack("192.0.2.1", MIB);
    budget.take("192.0.2.1", MIB);
  });

  test("of all addresses together hold a bounded part of the memory", () => {
    const budget = createBodyBudget(MIB);
    const taken = Array.from({ length: 300 }, (_, i) => {
      try {
        budget.take(`198.51.${i >> 8}.${i & 255}`, 16 * MIB);
        return true;
      } catch {
        return false;
      }
    });
    expect(taken.filter((took) => took)).toHaveLength(16);
  });

  test("that never end are overloaded when there are too many, and leave their room behind", async () => {
    const sessions = Array.from({ length: 3 }, () => connect(server.url));
    onTestFinished(() => {
      for (const session of sessions) session.destroy();
    });
    const statuses = sessions.flatMap((session) =>
      Array.from({ length: 8 }, () => {
        const stream = session.request({ ":path": "/auth/login", ":method": "POST", ...JSON_TYPE });
        stream.on("error", () => undefined);
        stream.write(Buffer.alloc(900_000, "x"));
        return new Promise<number>((resolve) => {
          stream.on("response", (headers) => resolve(Number(headers[":status"])));
          stream.on("close", () => resolve(0));
        });
      }),
    );
    expect(await Promise.race(statuses)).toBe(503);
    for (const session of sessions) session.destroy();
    await Promise.all(statuses);
    const login = () => call(`${server.url}/auth/login`, { body: { identifier: "nobody", password: PASSWORD } });
    await expect.poll(async () => (await login()).status, { timeout: 5_000 }).toBe(401);
  });
});

describe("a deadline", () => {
  const body = JSON.stringify({ identifier: "nobody", password: PASSWORD });

  test.each(["2147483648", "9999999999"])("of %s ms is one that does not come", async (timeout) => {
    const headers = { ...JSON_TYPE, "connect-timeout-ms": timeout };
    const answer = await wire.http1({ path: LOGIN, headers, body });
    expect(answer.status).toBe(401);
  });

  test.each(["597H", "99999999H"])("of %s is one that does not come", async (timeout) => {
    const payload = toBinary(
      LoginRequestSchema,
      create(LoginRequestSchema, { identifier: "nobody", password: PASSWORD }),
    );
    const answer = await sendRpc(wire, "grpc", { path: LOGIN, payload, headers: { "grpc-timeout": timeout } });
    expect(answer.reason).toBe("invalid_credentials");
  });
});

test.each(["application/grpc-web-text", "application/grpc-web-text+proto"])("%s is invalid_request", async (type) => {
  for (const send of [wire.http1, wire.http2]) {
    const raw = await send({ path: LOGIN, headers: { "content-type": type }, body: "AAAAAAA=" });
    expect(raw.status).toBe(400);
    expect(raw.body.toString()).toContain("invalid_request");
  }
});

test("a logout by bearer token needs no body", async () => {
  const { access_token } = await registerUser(server.url);
  const headers = { authorization: `Bearer ${access_token}` };
  const answer = readRest(await wire.http1({ path: "/auth/logout", headers }));
  expect([answer.status, answer.text]).toStrictEqual([200, "{}"]);
  expect((await me(server.url, access_token)).body.error.code).toBe("token_revoked");
});

test.each([["frontEnc"], ["front_enc"], ["__front_enc__"]])("an envelope may be called %s", async (name) => {
  const recipient = await recipientOf(server.url, "ECDH-ES");
  const { envelope } = await seal(server, newUser(), { recipient, binding: "/auth/register" });
  expect((await call(`${server.url}/auth/register`, { body: { [name]: envelope } })).status).toBe(201);
});

test("a stranger's sealed call is refused before its envelope is opened, which is not spent", async () => {
  const { access_token } = await registerUser(server.url);
  const recipient = await recipientOf(server.url, "RSA-OAEP-256");
  const path = "/auth.v1.AuthService/GetMe";
  const { envelope } = await seal(server, {}, { recipient, binding: path });
  const getMe = (headers: Record<string, string>) =>
    callBy(wire, "connect-json", {
      method: AuthService.method.getMe,
      route: { verb: "GET", path: "/auth/me" },
      message: { frontEnc: envelope },
      headers,
    });
  expect((await getMe({})).reason).toBe("token_missing");
  expect((await getMe({ authorization: "Bearer x" })).reason).toBe("token_invalid");
  expect((await getMe({ authorization: `Bearer ${access_token}` })).ok).toBe(true);
});

test.each(["key_share", "keyShare"])("a %s that shows its private half is refused", async (name) => {
  const recipient = await recipientOf(server.url, "ECDH-ES");
  const share = { kty: "OKP", crv: "X25519", x: "A".repeat(43), d: "A".repeat(43) };
  const { envelope } = await seal(server, { [name]: share }, { recipient, binding: "/auth/handshake" });
  const { body } = await call(`${server.url}/auth/handshake`, { body: { __front_enc__: envelope } });
  expect(body).toMatchObject({ error: { code: "envelope_invalid" } });
});

test.each(WAYS)("an envelope whose ephemeral key shows its private half is refused over %s", async (way) => {
  const recipient = await recipientOf(server.url, "ECDH-ES");
  const target = { method: AuthService.method.register, route: { verb: "POST", path: "/auth/register" } };
  const { envelope } = await seal(server, newUser(), { recipient, binding: bindingOf(way, target) });
  const epk = { ...envelope.epk, d: "A".repeat(43) };
  const answer = await callBy(wire, way, { ...target, message: { frontEnc: { ...envelope, epk } as never } });
  expect(answer.reason).toBe("envelope_invalid");
});
