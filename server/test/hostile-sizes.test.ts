import { gzipSync } from "node:zlib";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { describe, expect, test } from "vitest";
import { loginUser, registerUser } from "./support/client.ts";
import {
  expectPlainRefusal,
  expectRefused,
  GRPC_TYPE,
  JSON_TYPE,
  LOGIN,
  LOGIN_JSON,
  PROTO_TYPE,
  ROUTE,
  RPC,
  startTarget,
  timed,
  WEB_TYPE,
} from "./support/hostile.ts";
import { exchange, uploadThenRead } from "./support/raw-socket.ts";
import { readRest, readRpc, sendRpc } from "./support/wire.ts";

const target = startTarget();
const { http1 } = target;

describe("a body over the limit", () => {
  const HUGE = Buffer.alloc(2 * 1024 * 1024, 0x41);

  test("is payload_too_large on a plain route, and the next request is served", async () => {
    const rest = readRest(await http1({ path: ROUTE, headers: JSON_TYPE, body: HUGE }));
    expectPlainRefusal(rest, 413, "payload_too_large");
    expect((await timed(loginUser(target.server.url, "nobody"))).status).toBe(401);
  });

  test("is payload_too_large on every protocol, and the next request is served", async () => {
    for (const protocol of ["connect-json", "connect-proto", "grpc-web", "grpc"] as const) {
      for (let i = 0; i < 3; i++) {
        expectRefused(await timed(sendRpc(target.wire, protocol, { path: RPC, payload: HUGE })), "payload_too_large");
      }
      const next = await timed(
        sendRpc(target.wire, protocol, { path: RPC, payload: protocol === "connect-json" ? "{}" : "" }),
      );
      expect(next.reason).toBeDefined();
      expect(next.reason).not.toBe("payload_too_large");
    }
  });

  test("is refused when it comes in pieces without a length, and the answer arrives", async () => {
    for (const [path, headers] of [
      [ROUTE, JSON_TYPE],
      [RPC, JSON_TYPE],
      [RPC, PROTO_TYPE],
      [RPC, WEB_TYPE],
    ] as const) {
      const body = headers === WEB_TYPE ? encodeEnvelope(0, HUGE) : HUGE;
      const raw = await http1({ path, headers: { ...headers, "transfer-encoding": "chunked" }, body });
      const answer = path === ROUTE ? readRest(raw) : readRpc(headers === WEB_TYPE ? "grpc-web" : "connect-json", raw);
      expectRefused(answer, "payload_too_large");
    }
  });

  test("is refused over HTTP/2 on a plain route without an end to the connection", async () => {
    for (let i = 0; i < 5; i++) {
      const raw = await timed(target.wire.http2({ path: ROUTE, headers: JSON_TYPE, body: HUGE }));
      expectPlainRefusal(readRest(raw), 413, "payload_too_large");
    }
    const next = readRest(await timed(target.wire.http2({ path: ROUTE, headers: JSON_TYPE, body: LOGIN_JSON })));
    expect(next.reason).toBe("invalid_credentials");
  });

  test("is refused in words that arrive, though the client reads none before it has sent all", async () => {
    const body = Buffer.alloc(12 * 1024 * 1024, 0x41);
    for (const [path, type] of [
      [ROUTE, "application/json"],
      [RPC, "application/proto"],
    ]) {
      const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n`;
      const text = await timed(uploadThenRead(target.server.url, Buffer.concat([Buffer.from(head), body])));
      expect(text).toMatch(/^HTTP\/1\.1 4(13|29) /);
      expect(text).toMatch(/\}$/);
    }
  });

  test("that is only announced is refused before it comes", async () => {
    const head = `POST ${ROUTE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n`;
    const { text, ms } = await exchange(target.server.url, head, { until: /\}\}$/ });
    expect(text).toMatch(/^HTTP\/1\.1 413 /);
    expect(text).toMatch(/\r\nconnection: close\r\n/i);
    expect(text).toContain('"code":"payload_too_large"');
    expect(ms).toBeLessThan(2_000);
  });
});

describe("compression", () => {
  const BOMB = gzipSync(Buffer.alloc(50 * 1024 * 1024));

  test("that unfolds over the limit is payload_too_large", async () => {
    for (const [headers, protocol] of [
      [JSON_TYPE, "connect-json"],
      [PROTO_TYPE, "connect-proto"],
    ] as const) {
      const raw = await http1({ path: RPC, headers: { ...headers, "content-encoding": "gzip" }, body: BOMB });
      expectRefused(readRpc(protocol, raw), "payload_too_large");
    }
    const body = encodeEnvelope(1, BOMB);
    const web = await http1({ path: RPC, headers: { ...WEB_TYPE, "grpc-encoding": "gzip" }, body });
    expectRefused(readRpc("grpc-web", web), "payload_too_large");
    const grpc = await timed(
      target.wire.http2({ path: RPC, headers: { ...GRPC_TYPE, "grpc-encoding": "gzip" }, body }),
    );
    expectRefused(readRpc("grpc", grpc), "payload_too_large");
  });

  test("by gzip of what is within the limit is taken by every RPC protocol", async () => {
    const json = await http1({
      path: RPC,
      headers: { ...JSON_TYPE, "content-encoding": "gzip" },
      body: gzipSync(LOGIN_JSON),
    });
    expect(readRpc("connect-json", json).reason).toBe("invalid_credentials");
    const proto = await http1({
      path: RPC,
      headers: { ...PROTO_TYPE, "content-encoding": "gzip" },
      body: gzipSync(LOGIN),
    });
    expect(readRpc("connect-proto", proto).reason).toBe("invalid_credentials");
    const body = encodeEnvelope(1, gzipSync(LOGIN));
    const grpc = await timed(
      target.wire.http2({ path: RPC, headers: { ...GRPC_TYPE, "grpc-encoding": "gzip" }, body }),
    );
    expect(readRpc("grpc", grpc).reason).toBe("invalid_credentials");
  });

  test.each(["br", "deflate", "zstd", "gzip, gzip", "x", "identity, gzip"])("by %s is refused", async (encoding) => {
    for (const [path, headers] of [
      [ROUTE, JSON_TYPE],
      [RPC, JSON_TYPE],
      [RPC, PROTO_TYPE],
    ] as const) {
      const raw = await http1({ path, headers: { ...headers, "content-encoding": encoding }, body: LOGIN_JSON });
      expectRefused(path === ROUTE ? readRest(raw) : readRpc("connect-json", raw), "invalid_request");
    }
    const body = encodeEnvelope(1, LOGIN);
    const grpc = await timed(
      target.wire.http2({ path: RPC, headers: { ...GRPC_TYPE, "grpc-encoding": encoding }, body }),
    );
    expectRefused(readRpc("grpc", grpc), "invalid_request");
  });

  test("that is announced and not done is refused", async () => {
    const headers = { ...JSON_TYPE, "content-encoding": "gzip" };
    for (const body of [LOGIN_JSON, gzipSync(LOGIN_JSON).subarray(0, 20), ""]) {
      expectRefused(readRpc("connect-json", await http1({ path: RPC, headers, body })), "invalid_request");
    }
  });

  test("of an answer is never done: it holds secrets", async () => {
    const { credentials } = await registerUser(target.server.url);
    const body = JSON.stringify({ identifier: credentials.email, password: credentials.password });
    const raw = await http1({ path: RPC, headers: { ...JSON_TYPE, "accept-encoding": "gzip" }, body });
    expect(raw.status).toBe(200);
    expect(raw.headers.has("content-encoding")).toBe(false);
  });
});
