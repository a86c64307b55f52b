import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readConfig } from "../src/config.ts";
import { startApp, type TestApp } from "./support/start-app.ts";
import { openWire, type Wire } from "./support/wire.ts";

const ORIGIN = "https://app.example.com";

let server: TestApp;
let wire: Wire;
beforeAll(async () => {
  server = await startApp({ env: { CORS_ORIGINS: `${ORIGIN},http://localhost:3000` } });
  wire = openWire(server.url);
});
afterAll(async () => {
  await wire[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const get = (headers: Record<string, string>) => wire.http1({ path: "/.well-known/jwks.json", method: "GET", headers });
const preflight = (path: string, headers: Record<string, string>) =>
  wire.http1({ path, method: "OPTIONS", headers: { "access-control-request-method": "POST", ...headers } });
const listOf = (headers: Headers, name: string) =>
  (headers.get(name) ?? "").split(",").map((item) => item.trim().toLowerCase());

describe("an origin", () => {
  test.each([ORIGIN, "http://localhost:3000"])("of the list may call, with credentials: %s", async (origin) => {
    const { headers } = await get({ origin });
    expect(headers.get("access-control-allow-origin")).toBe(origin);
    expect(headers.get("access-control-allow-credentials")).toBe("true");
  });

  test.each([
    "null",
    "https://app.example.com.evil.com",
    "https://evil-app.example.com",
    "https://evil.com/https://app.example.com",
    "https://sub.app.example.com",
    "https://example.com",
    "http://app.example.com",
    "https://app.example.com:443",
    "https://app.example.com:8443",
    "https://APP.example.com",
    "https://app.example.com/",
    "https://app.example.com.",
    "https://app.example.comx",
    "http://localhost",
    "http://localhost:30000",
    "file://",
    "*",
    "",
    `${ORIGIN}, https://evil.com`,
  ])("of any other spelling may not: %s", async (origin) => {
    for (const { headers } of [await get({ origin }), await preflight("/auth/login", { origin })]) {
      const names = [...headers.keys()].filter((name) => name.startsWith("access-control-"));
      expect(names).toStrictEqual([]);
    }
  });

  test("is what an answer depends on, and caches are told", async () => {
    for (const headers of [{ origin: ORIGIN }, { origin: "https://evil.com" }, {}]) {
      expect((await get(headers)).headers.get("vary")).toBe("Origin");
      expect((await wire.http1({ path: "/nowhere", method: "GET", headers })).headers.get("vary")).toBe("Origin");
    }
  });

  test("may read errors, too, on every protocol", async () => {
    for (const [path, type] of [
      ["/auth/login", "application/json"],
      ["/auth/nowhere", "application/json"],
      ["/auth/login", "text/plain"],
      ["/auth.v1.AuthService/GetMe", "application/json"],
      ["/auth.v1.AuthService/GetMe", "application/proto"],
      ["/auth.v1.AuthService/GetMe", "application/grpc-web+proto"],
    ] as const) {
      const raw = await wire.http1({ path, headers: { origin: ORIGIN, "content-type": type }, body: "" });
      expect(raw.headers.get("access-control-allow-origin")).toBe(ORIGIN);
    }
  });
});

describe("a preflight", () => {
  test.each(["/auth/login", "/auth.v1.AuthService/Login"])("is answered 204 without a body: %s", async (path) => {
    const answer = await preflight(path, { origin: ORIGIN });
    expect([answer.status, answer.body.length]).toStrictEqual([204, 0]);
    expect(answer.headers.get("access-control-max-age")).toBe("7200");
  });

  test("allows the methods of the routes and what connect-web and our clients send", async () => {
    const { headers } = await preflight("/auth.v1.AuthService/Login", { origin: ORIGIN });
    expect(listOf(headers, "access-control-allow-methods")).toStrictEqual(["get", "post", "put", "patch", "delete"]);
    expect(listOf(headers, "access-control-allow-headers")).toEqual(
      expect.arrayContaining([
        "authorization",
        "content-type",
        "connect-protocol-version",
        "connect-timeout-ms",
        "grpc-timeout",
        "x-grpc-web",
        "x-user-agent",
        "x-request-id",
      ]),
    );
    expect(headers.get("access-control-allow-headers")).not.toContain("*");
  });

  test("does nothing: no account comes of one", async () => {
    const headers = { origin: ORIGIN, "content-type": "application/json", "access-control-request-method": "POST" };
    const body = JSON.stringify({
      email: "a@example.com",
      username: "preflight",
      password: "a long enough passphrase",
    });
    expect((await wire.http1({ path: "/auth/register", method: "OPTIONS", headers, body })).status).toBe(204);
    expect((await server.db.query("SELECT 1 FROM users WHERE username = 'preflight'")).rowCount).toBe(0);
  });
});

describe("an answer", () => {
  test("shows a page the headers that its client needs", async () => {
    const { headers } = await get({ origin: ORIGIN });
    expect(listOf(headers, "access-control-expose-headers")).toEqual(
      expect.arrayContaining([
        "date",
        "etag",
        "retry-after",
        "ratelimit-limit",
        "ratelimit-remaining",
        "ratelimit-reset",
        "www-authenticate",
        "x-request-id",
        "grpc-status",
        "grpc-message",
        "grpc-status-details-bin",
      ]),
    );
  });
});

test("in development, the server's own origins are allowed beside those that are named", () => {
  const own = ["http://localhost:8080", "http://127.0.0.1:8080", "http://[::1]:8080"];
  expect(readConfig({ PORT: "8080" }).config.corsOrigins).toStrictEqual(own);
  const named = "https://app.example.com";
  expect(readConfig({ CORS_ORIGINS: named }).config.corsOrigins).toStrictEqual([named, ...own]);
});
