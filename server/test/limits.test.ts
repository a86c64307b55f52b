import { AuthService } from "@sello/gen/auth/v1/auth_service_pb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { call, loginUser, registerUser } from "./support/client.ts";
import { callBy, WAYS } from "./support/each-protocol.ts";
import { exchange } from "./support/raw-socket.ts";
import { startApp, startAppForTest, type TestApp } from "./support/start-app.ts";
import { openWire, PROTOCOLS, type RawRequest, readRest, sendRpc, type Wire } from "./support/wire.ts";

const LIMIT = 4_096;

let server: TestApp;
let wire: Wire;
beforeAll(async () => {
  server = await startApp({ env: { BODY_LIMIT_BYTES: String(LIMIT) } });
  wire = openWire(server.url);
});
afterAll(async () => {
  await wire[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const loginOf = (bytes: number) => {
  const empty = JSON.stringify({ identifier: "nobody", password: "" });
  return empty.replace('""', `"${"x".repeat(bytes - empty.length)}"`);
};

describe("BODY_LIMIT_BYTES", () => {
  const post = (body: string): RawRequest => ({
    path: "/auth/login",
    headers: { "content-type": "application/json" },
    body,
  });

  test("is the last size that is taken on the plain routes", async () => {
    for (const send of [wire.http1, wire.http2]) {
      expect(readRest(await send(post(loginOf(LIMIT)))).reason).toBe("validation_failed");
      expect(readRest(await send(post(loginOf(LIMIT + 1))))).toMatchObject({
        status: 413,
        reason: "payload_too_large",
      });
    }
  });

  test("is that of a message on every RPC protocol", async () => {
    const path = "/auth.v1.AuthService/Login";
    for (const protocol of PROTOCOLS) {
      const within = protocol === "connect-json" ? loginOf(LIMIT) : Buffer.alloc(LIMIT);
      const over = protocol === "connect-json" ? loginOf(LIMIT + 1) : Buffer.alloc(LIMIT + 1);
      expect((await sendRpc(wire, protocol, { path, payload: within })).reason).not.toBe("payload_too_large");
      expect((await sendRpc(wire, protocol, { path, payload: over })).reason).toBe("payload_too_large");
    }
  });
});

describe("a header block", () => {
  const huge = { "x-filler": "y".repeat(20_000) };

  test("over 16 KiB is 413 in the contract's shape over HTTP/1.1 and HTTP/2", async () => {
    for (const send of [wire.http1, wire.http2]) {
      const raw = await send({ path: "/healthz", method: "GET", headers: huge });
      expect(readRest(raw)).toMatchObject({ status: 413, reason: "payload_too_large" });
    }
    expect((await call(`${server.url}/healthz`)).status).toBe(200);
  });

  test("of thousands of small headers is refused as well", async () => {
    const lines = Array.from({ length: 3_000 }, (_, i) => `X-${i}: y\r\n`).join("");
    const { text } = await exchange(server.url, `GET /healthz HTTP/1.1\r\nHost: x\r\n${lines}\r\n`);
    expect(text).toMatch(/^HTTP\/1\.1 413 /);
  });
});

describe("a server that is told to stop", () => {
  /** Holds every login before its hash until `release` is called. */
  function holdLogins({ app }: TestApp) {
    const { hasher } = app.deps;
    const verify = hasher.verify.bind(hasher);
    let held = 0;
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    hasher.verify = async (...args) => {
      held++;
      await gate;
      return verify(...args);
    };
    return { held: () => held, release: () => release() };
  }

  const LOGIN = { method: AuthService.method.login, route: { verb: "POST", path: "/auth/login" } };

  test("finishes the logins in flight on every protocol, and takes no new connection", async () => {
    const stopping = await startAppForTest();
    const { credentials } = await registerUser(stopping.url);
    await using its = openWire(stopping.url);
    const { held, release } = holdLogins(stopping);
    const message = { identifier: credentials.email, password: credentials.password };
    const calls = WAYS.map((way) => callBy(its, way, { ...LOGIN, message }));
    await expect.poll(held).toBe(WAYS.length);

    const stopped = stopping.app[Symbol.asyncDispose]();
    await expect(loginUser(stopping.url, credentials.email)).rejects.toThrow("fetch failed");
    release();
    const answers = await Promise.all(calls);
    expect(answers.map(({ ok, reason }) => ({ ok, reason }))).toStrictEqual(
      WAYS.map(() => ({ ok: true, reason: undefined })),
    );
    for (const { data } of answers) expect(data?.refreshToken).toMatch(/^rt_/);
    await stopped;
    expect(stopping.logs.filter((line) => line["level"] === "error")).toStrictEqual([]);
  });

  test("ends the streams that have no end of their own", async () => {
    const stopping = await startAppForTest();
    const its = openWire(stopping.url);
    const headers = { "content-type": "application/grpc", te: "trailers" };
    const body = Buffer.alloc(5);
    const watch = its.http2({ path: "/grpc.health.v1.Health/Watch", headers, body });
    await call(`${stopping.url}/healthz`);
    const start = performance.now();
    await stopping.app[Symbol.asyncDispose]();
    expect(performance.now() - start).toBeLessThan(5_000);
    expect((await watch).status).toBe(200);
    await its[Symbol.asyncDispose]();
  });
});
