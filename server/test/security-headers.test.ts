import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSecurityHeaders, SECURITY_HEADERS } from "../src/http/security-headers.ts";
import { newUser } from "./support/client.ts";
import { exchange } from "./support/raw-socket.ts";
import { startApp, type TestApp } from "./support/start-app.ts";
import { openWire, type RawRequest, type Wire } from "./support/wire.ts";

let server: TestApp;
let wire: Wire;
beforeAll(async () => {
  server = await startApp();
  wire = openWire(server.url);
});
afterAll(async () => {
  await wire[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const json = (path: string, body: object | string): RawRequest => ({
  path,
  headers: { "content-type": "application/json" },
  body: typeof body === "string" ? body : JSON.stringify(body),
});
const ANSWERS: [string, number, () => RawRequest][] = [
  ["a register", 201, () => json("/auth/register", newUser())],
  ["a failed login", 401, () => json("/auth/login", { identifier: "nobody", password: "x" })],
  ["a malformed body", 400, () => json("/auth/login", "{")],
  ["a body over the limit", 413, () => json("/auth/login", "x".repeat(1_100_000))],
  ["a route that there is not", 404, () => ({ path: "/nowhere", method: "GET" })],
  ["a method that there is not", 405, () => ({ path: "/auth/login", method: "PUT" })],
  ["a missing token", 401, () => ({ path: "/auth/me", method: "GET" })],
  ["an RPC", 200, () => json("/auth.v1.AuthService/Register", newUser())],
  ["a failed RPC", 401, () => json("/auth.v1.AuthService/GetMe", {})],
  ["a malformed RPC", 400, () => json("/auth.v1.AuthService/GetMe", "{")],
  ["the page of health", 200, () => ({ path: "/healthz", method: "GET" })],
  [
    "a preflight",
    204,
    () => ({ path: "/auth/me", method: "OPTIONS", headers: { "access-control-request-method": "GET" } }),
  ],
];

describe.each(ANSWERS)("the answer to %s", (_name, status, requestOf) => {
  test("says that it is no page, is not to be sniffed, framed, referred to or kept", async () => {
    for (const raw of [await wire.http1(requestOf()), await wire.http2(requestOf())]) {
      expect(raw.status).toBe(status);
      expect(Object.fromEntries(raw.headers)).toMatchObject({
        "cache-control": "no-store",
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
        "cross-origin-resource-policy": "same-origin",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "x-request-id": expect.stringMatching(/^[0-9a-f-]{36}$/),
      });
      expect(raw.headers.has("server")).toBe(false);
      expect(raw.headers.has("x-powered-by")).toBe(false);
      expect(raw.headers.has("strict-transport-security")).toBe(false);
    }
  });
});

describe("what is refused before there is a route", () => {
  test.each([
    ["a request without a host", "GET /auth/me HTTP/1.1\r\n\r\n"],
    ["a request that is no HTTP", "GET /auth/me HTTP/1.1\r\nHost : x\r\n\r\n"],
    ["headers over the limit", `GET /auth/me HTTP/1.1\r\nHost: x\r\nX: ${"x".repeat(70_000)}\r\n\r\n`],
  ])("%s has the same headers", async (_name, bytes) => {
    const { text } = await exchange(server.url, bytes);
    expect(text).toMatch(/^HTTP\/1\.1 4(00|13) /);
    for (const [name, value] of SECURITY_HEADERS) expect(text).toContain(`\r\n${name}: ${value}\r\n`);
  });
});

describe("the key set", () => {
  const jwks = (headers: Record<string, string> = {}, method = "GET") =>
    wire.http1({ path: "/.well-known/jwks.json", method, headers });

  test("may be kept five minutes, and has an ETag", async () => {
    const { headers } = await jwks();
    expect(headers.get("cache-control")).toBe("public, max-age=300");
    expect(headers.get("etag")).toMatch(/^"[A-Za-z0-9_-]{22}"$/);
  });

  test("is not sent again to one who has it", async () => {
    const etag = (await jwks()).headers.get("etag") ?? "";
    for (const wanted of [etag, `W/${etag}`, `"x", ${etag}`, "*"]) {
      for (const method of ["GET", "HEAD"]) {
        const { status, body, headers } = await jwks({ "if-none-match": wanted }, method);
        expect([status, body.length, headers.get("etag")]).toStrictEqual([304, 0, etag]);
        expect(headers.get("cache-control")).toBe("public, max-age=300");
      }
    }
    for (const wanted of ['"x"', "", etag.slice(1)]) expect((await jwks({ "if-none-match": wanted })).status).toBe(200);
  });
});

test("where transport is secure, browsers are told to keep to it", () => {
  const set = (strictTransport: boolean) => {
    const headers = new Map<string, unknown>();
    createSecurityHeaders({ strictTransport })({
      setHeader: (name: string, value: unknown) => headers.set(name, value),
    } as never);
    return headers.get("strict-transport-security");
  };
  expect(set(true)).toBe("max-age=63072000");
  expect(set(false)).toBeUndefined();
});
