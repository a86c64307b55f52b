import { once } from "node:events";
import { connect as connect2 } from "node:http2";
import { gzipSync } from "node:zlib";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { describe, expect, test } from "vitest";
import { call, loginUser, registerUser } from "./support/client.ts";
import {
  expectPlainRefusal,
  expectRefused,
  GRPC_TYPE,
  JSON_TYPE,
  LOGIN,
  LOGIN_JSON,
  PARSERS_WORDS,
  PROTO_TYPE,
  ROUTE,
  RPC,
  startTarget,
  timed,
  WEB_TYPE,
} from "./support/hostile.ts";
import { exchange } from "./support/raw-socket.ts";
import { readRest, readRpc } from "./support/wire.ts";

const target = startTarget();
const { http1 } = target;

describe("headers of the protocols", () => {
  test.each(["x", "-1", "1.5", "99999999999", "0x10", "1s"])("Connect-Timeout-Ms: %s is refused", async (value) => {
    for (const headers of [JSON_TYPE, PROTO_TYPE]) {
      const body = headers === JSON_TYPE ? LOGIN_JSON : LOGIN;
      const raw = await http1({ path: RPC, headers: { ...headers, "connect-timeout-ms": value }, body });
      expectRefused(readRpc("connect-json", raw), "invalid_request");
    }
  });

  test.each(["x", "1", "-1S", "1.5S", "999999999S", "1s", "S"])("grpc-timeout: %s is refused", async (value) => {
    const body = encodeEnvelope(0, LOGIN);
    const grpc = await timed(target.wire.http2({ path: RPC, headers: { ...GRPC_TYPE, "grpc-timeout": value }, body }));
    expectRefused(readRpc("grpc", grpc), "invalid_request");
    const web = await http1({ path: RPC, headers: { ...WEB_TYPE, "grpc-timeout": value }, body });
    expectRefused(readRpc("grpc-web", web), "invalid_request");
  });

  test.each(["2", "0", "", "v1", "1, 1"])("Connect-Protocol-Version: %s is refused", async (value) => {
    for (const headers of [JSON_TYPE, PROTO_TYPE]) {
      const body = headers === JSON_TYPE ? LOGIN_JSON : LOGIN;
      const raw = await http1({ path: RPC, headers: { ...headers, "connect-protocol-version": value }, body });
      expectRefused(readRpc("connect-json", raw), "invalid_request");
    }
  });

  test("Connect-Protocol-Version: 1 is taken", async () => {
    const raw = await http1({
      path: RPC,
      headers: { ...JSON_TYPE, "connect-protocol-version": "1" },
      body: LOGIN_JSON,
    });
    expect(readRpc("connect-json", raw).reason).toBe("invalid_credentials");
  });

  test.each(["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])("%s overrides nothing", async (name) => {
    const raw = await http1({ path: "/auth/me", headers: { ...JSON_TYPE, [name]: "GET" }, body: "{}" });
    expectPlainRefusal(readRest(raw), 405, "method_not_allowed");
  });
});

describe("a query", () => {
  const me = (query: string) => http1({ path: `/auth.v1.AuthService/GetMe?${query}`, method: "GET" });

  test.each([
    ["nothing", ""],
    ["no encoding", "connect=v1&message=%7B%7D"],
    ["an unknown encoding", "connect=v1&encoding=xml&message=%7B%7D"],
    ["another version", "connect=v2&encoding=json&message=%7B%7D"],
    ["bad JSON", "connect=v1&encoding=json&message=%7B"],
    ["JSON of another shape", "connect=v1&encoding=json&message=%5B%5D"],
    ["deep JSON", `connect=v1&encoding=json&message=${"[".repeat(5_000)}`],
    ["no message in JSON", "connect=v1&encoding=json"],
    ["a broken escape", "connect=v1&encoding=json&message=%7B%7"],
    ["bad base64", "connect=v1&encoding=json&base64=1&message=***"],
    ["malformed protobuf", "connect=v1&encoding=proto&base64=1&message=_____w"],
    ["bad base64 in binary", "connect=v1&encoding=proto&base64=1&message=***"],
    ["an unknown compression", "connect=v1&encoding=json&compression=br&message=%7B%7D"],
    ["a compression that was not done", "connect=v1&encoding=json&compression=gzip&message=%7B%7D"],
    [
      "an envelope twice",
      "connect=v1&encoding=json&message=%7B%22__front_enc__%22%3A%7B%7D%2C%22__front_enc__%22%3A%7B%7D%7D",
    ],
  ])("of Connect with %s is invalid_request", async (_name, query) => {
    const answer = readRpc("connect-json", await me(query));
    expectRefused(answer, "invalid_request");
    expect(answer.status).toBe(400);
  });

  test("that unfolds over the limit is payload_too_large", async () => {
    const message = gzipSync(Buffer.alloc(4 * 1024 * 1024)).toString("base64url");
    for (const encoding of ["json", "proto"]) {
      const query = new URLSearchParams({ connect: "v1", encoding, base64: "1", compression: "gzip", message });
      expectRefused(readRpc("connect-json", await me(query.toString())), "payload_too_large");
    }
  });

  test("holds no token", async () => {
    const { access_token } = await registerUser(target.server.url);
    for (const query of [`access_token=${access_token}`, `authorization=Bearer%20${access_token}`]) {
      const rest = await call<{ error: { code: string } }>(`${target.server.url}/auth/me?${query}`);
      expect(rest).toMatchObject({ status: 401, body: { error: { code: "token_missing" } } });
      const rpc = readRpc("connect-json", await me(`connect=v1&encoding=json&message=%7B%7D&${query}`));
      expect(rpc.reason).toBe("token_missing");
    }
  });
});

describe("a path", () => {
  const UNKNOWN = [
    "/",
    "/auth",
    "/auth/",
    "/auth/login/",
    "/auth//login",
    "/auth/./login",
    "/auth/../auth/login",
    "/auth/..%2flogin",
    "/auth/%6cogin",
    "/auth/login%00",
    "/auth/login%00.json",
    "/auth/login;x=1",
    "/AUTH/LOGIN",
    "/auth/login.json",
    "/../../etc/passwd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/auth.v1.AuthService",
    "/auth.v1.AuthService/",
    "/auth.v1.AuthService/Unknown",
    "/auth.v1.AuthService/login",
    "/auth.v1.authservice/Login",
    "/auth.v1.AuthService/Login/",
    "/auth.v1.AuthService%2fLogin",
    "/constructor",
    "/__proto__",
    "/auth/__proto__",
    "/healthz/",
    `/${"a".repeat(10_000)}`,
  ];

  test.each(UNKNOWN)("that is no route is not_found: %s", async (path) => {
    for (const method of ["GET", "POST"]) {
      const request = { path, method, headers: JSON_TYPE, ...(method === "POST" && { body: LOGIN_JSON }) };
      expectPlainRefusal(readRest(await http1(request)), 404, "not_found");
      expectPlainRefusal(readRest(await timed(target.wire.http2(request))), 404, "not_found");
    }
  });

  test.each(["//auth/login", "///", "/\\auth\\login", "//example.com/auth/login", "auth/login", "*"])(
    "that another server could be meant by is refused: %s",
    async (path) => {
      const { text } = await exchange(
        target.server.url,
        `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
      );
      expect(text).toMatch(/^HTTP\/1\.1 400 /);
      expect(text).toContain('{"error":{"code":"invalid_request"');
    },
  );

  test("with an unknown RPC is unimplemented to a gRPC client", async () => {
    const headers = GRPC_TYPE;
    const raw = await target.wire.http2({
      path: "/auth.v1.AuthService/Unknown",
      headers,
      body: encodeEnvelope(0, LOGIN),
    });
    expect(raw.status).toBe(404);
  });
});

describe("a method", () => {
  const ALLOWED: [string, string][] = [
    ["/auth/login", "POST"],
    ["/auth/register", "POST"],
    ["/auth/me", "GET, HEAD"],
    ["/.well-known/jwks.json", "GET, HEAD"],
    ["/healthz", "GET, HEAD"],
    ["/readyz", "GET, HEAD"],
    ["/openapi.json", "GET, HEAD"],
    ["/auth.v1.AuthService/Login", "POST"],
    ["/auth.v1.AuthService/GetMe", "POST, GET"],
  ];

  test.each(ALLOWED)("that %s does not know is 405 and told what it knows", async (path, allow) => {
    for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]) {
      const request = { path, method, headers: JSON_TYPE, ...(method === "POST" && { body: "{}" }) };
      const isAllowed = allow.split(", ").includes(method);
      for (const raw of [await http1(request), await timed(target.wire.http2(request))]) {
        expect({ method, refused: raw.status === 405 }).toStrictEqual({ method, refused: !isAllowed });
        const expected = isAllowed ? null : allow;
        expect(raw.headers.get("allow")).toBe(expected);
        const code = isAllowed ? undefined : "method_not_allowed";
        expect(JSON.parse(raw.body.toString()).error?.code === "method_not_allowed").toBe(code !== undefined);
      }
    }
  });

  test("HEAD answers as GET does, without a body", async () => {
    for (const path of ["/healthz", "/readyz", "/openapi.json", "/.well-known/jwks.json"]) {
      const get = await http1({ path, method: "GET" });
      for (const head of [
        await http1({ path, method: "HEAD" }),
        await timed(target.wire.http2({ path, method: "HEAD" })),
      ]) {
        expect(head.status).toBe(200);
        expect(head.body).toHaveLength(0);
        expect(head.headers.get("content-length")).toBe(get.headers.get("content-length"));
        expect(head.headers.get("etag")).toBe(get.headers.get("etag"));
      }
    }
    const me = await http1({ path: "/auth/me", method: "HEAD" });
    expect([me.status, me.body.length, me.headers.get("www-authenticate")]).toStrictEqual([401, 0, "Bearer"]);
    expect((await http1({ path: ROUTE, method: "HEAD" })).status).toBe(405);
    expect((await http1({ path: RPC, method: "HEAD" })).status).toBe(405);
  });
});

describe("HTTP/1.1", () => {
  const post = (headers: string, body: string) =>
    `POST ${ROUTE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${headers}\r\n\r\n${body}`;

  test.each([
    ["no Host", `GET /healthz HTTP/1.1\r\n\r\n`],
    ["two Hosts", `GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n`],
    ["a broken Host", `GET /healthz HTTP/1.1\r\nHost: [\r\n\r\n`],
    ["no HTTP", "hello\r\n\r\n"],
    ["two lengths", post("Content-Length: 2\r\nContent-Length: 3", "{}")],
    ["a length that is no number", post("Content-Length: x", "{}")],
    ["a negative length", post("Content-Length: -1", "{}")],
    ["a length and chunks", post("Content-Length: 2\r\nTransfer-Encoding: chunked", "0\r\n\r\n")],
    ["broken chunks", post("Transfer-Encoding: chunked", "zz\r\n{}\r\n0\r\n\r\n")],
    ["a space before a colon", `GET /healthz HTTP/1.1\r\nHost : x\r\n\r\n`],
    ["a NUL in a header", `GET /healthz HTTP/1.1\r\nHost: x\r\nX: \0\r\n\r\n`],
    ["an HTTP/1.0 POST without Host", "POST /auth.v1.AuthService/Login HTTP/1.0\r\nContent-Length: 0\r\n\r\n"],
  ])("with %s is 400 in the contract's shape, and closed", async (_name, bytes) => {
    const { text, ms } = await exchange(target.server.url, bytes, { end: true });
    expect(text).toMatch(/^HTTP\/1\.1 400 /);
    expect(text).toContain('{"error":{"code":"invalid_request"');
    expect(text).not.toMatch(PARSERS_WORDS);
    expect(ms).toBeLessThan(2_000);
    expect((await call(`${target.server.url}/healthz`)).status).toBe(200);
  });

  test("with a length over what is sent ends when the client does", async () => {
    const { text, ms } = await exchange(target.server.url, post("Content-Length: 100", "{}"), { end: true });
    expect(text).toMatch(/^(HTTP\/1\.1 400 |$)/);
    expect(ms).toBeLessThan(2_000);
  });

  test("with a length under what is sent does not take the rest for a request", async () => {
    const { text } = await exchange(target.server.url, post("Content-Length: 2", `{}${LOGIN_JSON}`), { end: true });
    expect(text).toMatch(/^HTTP\/1\.1 (400|401) /);
    expect(text.match(/HTTP\/1\.1 /g)?.length).toBeLessThanOrEqual(2);
  });

  test("serves the next request of the connection after each refusal that it has read", async () => {
    const bad = post("Content-Length: 1", "{");
    const good = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    const { text } = await exchange(target.server.url, bad + good);
    expect(text).toMatch(/^HTTP\/1\.1 400 [\s\S]*HTTP\/1\.1 200 OK/);
  });
});

describe("a client that goes away", () => {
  test("before it has its answer costs no error in the log", async () => {
    const { credentials } = await registerUser(target.server.url);
    const body = JSON.stringify({ identifier: credentials.email, password: "not the passphrase" });
    for (const path of [ROUTE, RPC]) {
      const controllers = Array.from({ length: 30 }, () => new AbortController());
      const calls = controllers.map(({ signal }) =>
        fetch(target.server.url + path, { method: "POST", headers: JSON_TYPE, body, signal }).catch(() => undefined),
      );
      for (const controller of controllers) setImmediate(() => controller.abort());
      await Promise.all(calls);
    }
    const session = connect2(target.server.url);
    for (let i = 0; i < 30; i++) {
      const stream = session.request({ ":method": "POST", ":path": RPC, ...GRPC_TYPE });
      stream.on("error", () => undefined);
      stream.end(encodeEnvelope(0, LOGIN));
      setImmediate(() => stream.close(8));
    }
    const last = session.request({ ":method": "POST", ":path": RPC, ...GRPC_TYPE });
    last.end(encodeEnvelope(0, LOGIN));
    last.resume();
    await once(last, "close");
    await new Promise<void>((resolve) => session.close(resolve));
    expect((await loginUser(target.server.url, credentials.email)).status).toBe(200);
    expect(target.server.logs.filter((line) => line["level"] === "error")).toStrictEqual([]);
  });
});

describe("an id of a request", () => {
  test("is the caller's where it is harmless, and the server's otherwise", async () => {
    const idOf = async (id: string) =>
      (await http1({ path: "/healthz", method: "GET", headers: { "x-request-id": id } })).headers.get("x-request-id");
    expect(await idOf("my-request.0001")).toBe("my-request.0001");
    for (const id of [
      "short",
      "x".repeat(65),
      "with space in it",
      '"quoted"--',
      "<script>alert(1)</script>",
      "a,b,c,d,e,f",
    ]) {
      expect(await idOf(id)).toMatch(/^[0-9a-f-]{36}$/);
    }
  });
});
