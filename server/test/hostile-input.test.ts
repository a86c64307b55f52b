import { once } from "node:events";
import { connect as connect2 } from "node:http2";
import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { AuthService } from "@sello/gen/auth/v1/auth_service_pb";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { call, loginUser, registerUser } from "./support/client.ts";
import { exchange, uploadThenRead } from "./support/raw-socket.ts";
import { startApp, type TestApp } from "./support/start-app.ts";
import { type Outcome, openWire, type RawRequest, readRest, readRpc, sendRpc, type Wire } from "./support/wire.ts";

let server: TestApp;
let wire: Wire;
beforeAll(async () => {
  server = await startApp({ env: { LOCKOUT_THRESHOLD: "1000000" } });
  wire = openWire(server.url);
});
afterEach(() => {
  expect(server.logs.filter((line) => line["level"] === "error")).toStrictEqual([]);
});
afterAll(async () => {
  await wire[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const RPC = "/auth.v1.AuthService/Login";
const ROUTE = "/auth/login";
const JSON_TYPE = { "content-type": "application/json" };
const PROTO_TYPE = { "content-type": "application/proto" };
const GRPC_TYPE = { "content-type": "application/grpc", te: "trailers" };
const WEB_TYPE = { "content-type": "application/grpc-web+proto" };
const LOGIN = toBinary(
  AuthService.method.login.input,
  create(AuthService.method.login.input, { identifier: "nobody", password: "a wrong passphrase" }),
);
const LOGIN_JSON = JSON.stringify({ identifier: "nobody", password: "a wrong passphrase" });

/** Words of parsers and of Node, none of which may reach a client. */
const PARSERS_WORDS =
  /unexpected|token .* in JSON|position \d|illegal|parse binary|cannot decode|invalid wire|premature|RangeError|SyntaxError|TypeError|ERR_|zlib|incorrect header|protocol error|\bat .*\.(js|ts):\d|node_modules/i;

function expectRefused(answer: Outcome, reason: string): void {
  expect(answer.reason).toBe(reason);
  expect(answer.message).not.toBe("");
  expect(answer.text).not.toMatch(PARSERS_WORDS);
  expect(answer.status === 200 || (answer.status >= 400 && answer.status < 500)).toBe(true);
}

/** The shape of a refusal by HTTP alone, which every plain route has. */
function expectPlainRefusal(answer: Outcome, status: number, reason: string): void {
  expect(JSON.parse(answer.text)).toStrictEqual({ error: { code: reason, message: answer.message } });
  expect(answer.status).toBe(status);
  expectRefused(answer, reason);
}

async function timed<T>(work: Promise<T>): Promise<T> {
  const start = performance.now();
  const result = await work;
  expect(performance.now() - start).toBeLessThan(2_000);
  return result;
}

const http1 = (request: RawRequest) => timed(wire.http1(request));

describe("a content type", () => {
  const WRONG = [
    "text/plain",
    "text/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/xml",
    "application/json; charset=latin1",
    "application/json; charset=utf-16",
    "application/json, text/plain",
    "application/jsonx",
    "application/vnd.api+json",
    "json",
    ";",
    "application/",
    "x".repeat(5_000),
  ];

  test.each(WRONG)("that is not spoken is refused: %s", async (type) => {
    for (const path of [ROUTE, RPC]) {
      const answer = readRest(await http1({ path, headers: { "content-type": type }, body: LOGIN_JSON }));
      expectPlainRefusal(answer, 400, "invalid_request");
    }
  });

  test("that is absent is refused", async () => {
    for (const path of [ROUTE, RPC]) {
      expectPlainRefusal(readRest(await http1({ path, body: LOGIN_JSON })), 400, "invalid_request");
    }
  });

  test.each([
    "application/json",
    "application/json; charset=utf-8",
    "application/json;charset=UTF-8",
    'application/json; charset="utf-8"',
    "application/json ; charset=utf8",
    "Application/JSON",
  ])("is JSON in any spelling of it: %s", async (type) => {
    const headers = { "content-type": type };
    expect(readRest(await http1({ path: ROUTE, headers, body: LOGIN_JSON })).reason).toBe("invalid_credentials");
    const connect = readRpc("connect-json", await http1({ path: RPC, headers, body: LOGIN_JSON }));
    expect(connect.reason).toBe("invalid_credentials");
  });

  test("of an RPC is no content type of a plain route", async () => {
    for (const headers of [PROTO_TYPE, WEB_TYPE, { "content-type": "application/grpc" }]) {
      const answer = readRest(await http1({ path: ROUTE, headers, body: LOGIN }));
      expectPlainRefusal(answer, 400, "invalid_request");
    }
  });

  test("of a stream is none of a unary call", async () => {
    for (const type of ["application/connect+json", "application/connect+proto"]) {
      const answer = readRest(await http1({ path: RPC, headers: { "content-type": type }, body: LOGIN_JSON }));
      expectPlainRefusal(answer, 400, "invalid_request");
    }
  });

  test("of gRPC needs HTTP/2, however it is written", async () => {
    for (const type of ["application/grpc", "Application/GRPC+proto"]) {
      const answer = readRest(
        await http1({ path: RPC, headers: { "content-type": type }, body: encodeEnvelope(0, LOGIN) }),
      );
      expectPlainRefusal(answer, 400, "invalid_request");
    }
  });

  test("in capitals changes nothing in how an error reads", async () => {
    const headers = { "content-type": "Application/GRPC-Web+Proto" };
    const raw = await http1({ path: RPC, headers, body: encodeEnvelope(0, Buffer.from([0xff, 0xff])) });
    expectRefused(readRpc("grpc-web", raw), "invalid_request");
  });
});

describe("JSON", () => {
  const deep = (open: string, close: string) => `${open.repeat(10_000)}1${close.repeat(10_000)}`;
  const BAD: [string, string | Uint8Array][] = [
    ["nothing", ""],
    ["white space", "   \n"],
    ["a half", '{"identifier":"x'],
    ["a trailing comma", '{"identifier":"x",}'],
    ["single quotes", "{'identifier':'x'}"],
    ["a comment", '{/* x */"identifier":"x"}'],
    ["two values", "{}{}"],
    ["garbage behind", '{"identifier":"x"} x'],
    ["a byte order mark", "\ufeff{}"],
    ["UTF-16", Buffer.from('{"identifier":"x"}', "utf16le")],
    ["bytes that are not UTF-8", Buffer.from([0x7b, 0x22, 0xc3, 0x28, 0x22, 0x3a, 0x31, 0x7d])],
    ["an overlong encoding", Buffer.from([0x7b, 0x22, 0xc0, 0xaf, 0x22, 0x3a, 0x31, 0x7d])],
    ["NUL bytes", Buffer.from('{"identifier":"\0"}')],
    ["null", "null"],
    ["an array", "[]"],
    ["an array of a message", `[${LOGIN_JSON}]`],
    ["a text", '"x"'],
    ["a number", "1"],
    ["a truth", "true"],
    ["NaN", "NaN"],
    ["ten thousand arrays", deep("[", "]")],
    ["ten thousand objects", deep('{"a":', "}")],
    ["ten thousand in a field", `{"identifier":${deep("[", "]")}}`],
    ["ten thousand in an unknown field", `{"later":${deep("[", "]")}}`],
    ["a member twice", '{"identifier":"a","identifier":"b"}'],
    ["a member twice, once escaped", '{"identifier":"a","\\u0069dentifier":"b"}'],
    ["a member twice within another", '{"later":{"a":1,"a":2}}'],
    ["a number for a text", '{"identifier":1}'],
    ["an object for a text", '{"identifier":{"$ne":null}}'],
    ["an array for a text", '{"identifier":["x"]}'],
    ["a truth for a text", '{"password":true}'],
    ["a text for a truth", '{"use_cookie":"true"}'],
    ["a number for a truth", '{"useCookie":1}'],
    ["a text for a message", '{"__front_enc__":"x"}'],
  ];

  test.each(BAD)("that is %s is invalid_request over REST, Connect, gRPC-Web and gRPC", async (_name, body) => {
    expectPlainRefusal(readRest(await http1({ path: ROUTE, headers: JSON_TYPE, body })), 400, "invalid_request");
    const connect = readRpc("connect-json", await http1({ path: RPC, headers: JSON_TYPE, body }));
    expectRefused(connect, "invalid_request");
    expect(connect.status).toBe(400);
    expect(JSON.parse(connect.text.slice(0, connect.payload.length)).code).toBe("invalid_argument");
    const framed = encodeEnvelope(0, Buffer.from(body));
    const web = await http1({ path: RPC, headers: { "content-type": "application/grpc-web+json" }, body: framed });
    expectRefused(readRpc("grpc-web", web), "invalid_request");
    const headers = { "content-type": "application/grpc+json", te: "trailers" };
    const grpc = await timed(wire.http2({ path: RPC, headers, body: framed }));
    expectRefused(readRpc("grpc", grpc), "invalid_request");
  });

  test.each(BAD)("that is %s is invalid_request when it is compressed, too", async (_name, body) => {
    const headers = { ...JSON_TYPE, "content-encoding": "gzip" };
    const answer = readRpc("connect-json", await http1({ path: RPC, headers, body: gzipSync(body) }));
    expectRefused(answer, "invalid_request");
  });

  const VALUES: [string, object][] = [
    ["NUL", { identifier: "a\0b", password: "a\0b" }],
    ["a lone surrogate", { identifier: "a\ud800b", password: "\udc00" }],
    ["a megabyte of one letter", { identifier: "x".repeat(900_000), password: "y" }],
    ["right-to-left marks", { identifier: "\u202emoc.elpmaxe@x", password: "y" }],
    ["SQL", { identifier: "' OR 1=1 --", password: "'; DROP TABLE users; --" }],
    ["a template", { identifier: "#{7*7}", password: "{{7*7}}" }],
    ["__proto__", JSON.parse('{"__proto__":{"identifier":"x"},"identifier":"y","password":"z"}')],
  ];

  test.each(VALUES)("with %s in its texts is refused like any wrong login", async (_name, body) => {
    const rest = readRest(await http1({ path: ROUTE, headers: JSON_TYPE, body: JSON.stringify(body) }));
    expect(["invalid_credentials", "validation_failed", "invalid_request"]).toContain(rest.reason);
    expect(rest.status).toBeLessThan(500);
    const connect = readRpc("connect-json", await http1({ path: RPC, headers: JSON_TYPE, body: JSON.stringify(body) }));
    expect(connect.reason).toBe(rest.reason);
  });

  test.each(VALUES)("with %s in its texts makes no account and no 500", async (_name, { ...texts }) => {
    const [first = "", second = ""] = Object.values(texts) as string[];
    for (const body of [
      { email: `${first}@example.com`, username: second, password: "a long enough passphrase" },
      { email: "someone@example.com", username: first, password: "a long enough passphrase" },
      { email: "someone@example.com", username: "someone", password: "short", data_public: { display_name: first } },
    ]) {
      const headers = JSON_TYPE;
      const answer = readRest(await http1({ path: "/auth/register", headers, body: JSON.stringify(body) }));
      expect(["validation_failed", "weak_password", "invalid_request"]).toContain(answer.reason);
    }
  });
});

describe("protobuf", () => {
  const BAD: [string, Buffer][] = [
    ["a varint without an end", Buffer.alloc(11, 0xff)],
    ["a tag without a value", Buffer.from([0x0a])],
    ["a length over the message", Buffer.from([0x0a, 0x7f, 0x41])],
    ["a length of four gigabytes", Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f])],
    ["a negative length", Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01])],
    ["text that is not UTF-8", Buffer.from([0x0a, 0x02, 0xc3, 0x28])],
    ["a lone surrogate as bytes", Buffer.from([0x0a, 0x03, 0xed, 0xa0, 0x80])],
    ["the field number 0", Buffer.from([0x02, 0x01, 0x41])],
    ["an unknown wire type", Buffer.from([0x0f, 0x01])],
    ["the end of a group that did not begin", Buffer.from([0x0c])],
    ["a group without an end", Buffer.from([0xfb, 0x3f])],
    ["a half", Buffer.from(LOGIN.subarray(0, LOGIN.length - 3))],
    ["JSON", Buffer.from(LOGIN_JSON)],
    ["ten thousand groups", Buffer.alloc(20_000, Buffer.from([0xfb, 0x3f]))],
  ];

  test.each(BAD)("that is %s is invalid_request over Connect, gRPC-Web and gRPC", async (_name, payload) => {
    for (const protocol of ["connect-proto", "grpc-web", "grpc"] as const) {
      const answer = await timed(sendRpc(wire, protocol, { path: RPC, payload }));
      expectRefused(answer, "invalid_request");
      expect(answer.domain).toBe("auth");
    }
  });

  test("with another wire type for a field is no crash", async () => {
    const payload = Buffer.from([0x08, 0x01, 0x10, 0x01]);
    for (const protocol of ["connect-proto", "grpc-web", "grpc"] as const) {
      const { status, reason } = await timed(sendRpc(wire, protocol, { path: RPC, payload }));
      expect(status).toBeLessThan(500);
      expect(["invalid_request", "invalid_credentials", "validation_failed"]).toContain(reason);
    }
  });
});

describe("a frame", () => {
  const frame = (flags: number, length: number, content: Uint8Array) => {
    const head = Buffer.alloc(5);
    head[0] = flags;
    head.writeUInt32BE(length, 1);
    return Buffer.concat([head, content]);
  };
  const BAD: [string, Buffer][] = [
    ["none", Buffer.alloc(0)],
    ["half a head", Buffer.from([0, 0, 0])],
    ["a length over what is sent", frame(0, LOGIN.length + 10, LOGIN)],
    ["a length under what is sent", frame(0, LOGIN.length - 3, LOGIN)],
    ["two messages", Buffer.concat([encodeEnvelope(0, LOGIN), encodeEnvelope(0, LOGIN)])],
    ["compressed without saying how", frame(1, LOGIN.length, LOGIN)],
    ["the flag of a trailer", frame(0x80, LOGIN.length, LOGIN)],
  ];

  test.each(BAD)("of a unary call that is %s is refused over gRPC-Web and gRPC", async (_name, body) => {
    const web = await http1({ path: RPC, headers: WEB_TYPE, body });
    const grpc = await timed(wire.http2({ path: RPC, headers: GRPC_TYPE, body }));
    for (const answer of [readRpc("grpc-web", web), readRpc("grpc", grpc)]) {
      expect(["invalid_request", "invalid_credentials"]).toContain(answer.reason);
      expect(answer.text).not.toMatch(PARSERS_WORDS);
    }
  });

  test("of four gigabytes is too large before it comes", async () => {
    const body = frame(0, 0xffffffff, Buffer.alloc(100));
    const web = readRpc("grpc-web", await http1({ path: RPC, headers: WEB_TYPE, body }));
    expectRefused(web, "payload_too_large");
    const grpc = readRpc("grpc", await timed(wire.http2({ path: RPC, headers: GRPC_TYPE, body })));
    expectRefused(grpc, "payload_too_large");
  });
});

describe("a body over the limit", () => {
  const HUGE = Buffer.alloc(2 * 1024 * 1024, 0x41);

  test("is payload_too_large on a plain route, and the next request is served", async () => {
    const rest = readRest(await http1({ path: ROUTE, headers: JSON_TYPE, body: HUGE }));
    expectPlainRefusal(rest, 413, "payload_too_large");
    expect((await timed(loginUser(server.url, "nobody"))).status).toBe(401);
  });

  test("is payload_too_large on every protocol, and the next request is served", async () => {
    for (const protocol of ["connect-json", "connect-proto", "grpc-web", "grpc"] as const) {
      for (let i = 0; i < 3; i++) {
        expectRefused(await timed(sendRpc(wire, protocol, { path: RPC, payload: HUGE })), "payload_too_large");
      }
      const next = await timed(
        sendRpc(wire, protocol, { path: RPC, payload: protocol === "connect-json" ? "{}" : "" }),
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
      const raw = await timed(wire.http2({ path: ROUTE, headers: JSON_TYPE, body: HUGE }));
      expectPlainRefusal(readRest(raw), 413, "payload_too_large");
    }
    const next = readRest(await timed(wire.http2({ path: ROUTE, headers: JSON_TYPE, body: LOGIN_JSON })));
    expect(next.reason).toBe("invalid_credentials");
  });

  test("is refused in words that arrive, though the client reads none before it has sent all", async () => {
    const body = Buffer.alloc(12 * 1024 * 1024, 0x41);
    for (const [path, type] of [
      [ROUTE, "application/json"],
      [RPC, "application/proto"],
    ]) {
      const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n`;
      const text = await timed(uploadThenRead(server.url, Buffer.concat([Buffer.from(head), body])));
      expect(text).toMatch(/^HTTP\/1\.1 4(13|29) /);
      expect(text).toMatch(/\}$/);
    }
  });

  test("that is only announced is refused before it comes", async () => {
    const head = `POST ${ROUTE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n`;
    const { text, ms } = await exchange(server.url, head, { until: /\}\}$/ });
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
    const grpc = await timed(wire.http2({ path: RPC, headers: { ...GRPC_TYPE, "grpc-encoding": "gzip" }, body }));
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
    const grpc = await timed(wire.http2({ path: RPC, headers: { ...GRPC_TYPE, "grpc-encoding": "gzip" }, body }));
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
    const grpc = await timed(wire.http2({ path: RPC, headers: { ...GRPC_TYPE, "grpc-encoding": encoding }, body }));
    expectRefused(readRpc("grpc", grpc), "invalid_request");
  });

  test("that is announced and not done is refused", async () => {
    const headers = { ...JSON_TYPE, "content-encoding": "gzip" };
    for (const body of [LOGIN_JSON, gzipSync(LOGIN_JSON).subarray(0, 20), ""]) {
      expectRefused(readRpc("connect-json", await http1({ path: RPC, headers, body })), "invalid_request");
    }
  });

  test("of an answer is never done: it holds secrets", async () => {
    const { credentials } = await registerUser(server.url);
    const body = JSON.stringify({ identifier: credentials.email, password: credentials.password });
    const raw = await http1({ path: RPC, headers: { ...JSON_TYPE, "accept-encoding": "gzip" }, body });
    expect(raw.status).toBe(200);
    expect(raw.headers.has("content-encoding")).toBe(false);
  });
});

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
    const grpc = await timed(wire.http2({ path: RPC, headers: { ...GRPC_TYPE, "grpc-timeout": value }, body }));
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
    const { access_token } = await registerUser(server.url);
    for (const query of [`access_token=${access_token}`, `authorization=Bearer%20${access_token}`]) {
      const rest = await call<{ error: { code: string } }>(`${server.url}/auth/me?${query}`);
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
      expectPlainRefusal(readRest(await timed(wire.http2(request))), 404, "not_found");
    }
  });

  test.each(["//auth/login", "///", "/\\auth\\login", "//example.com/auth/login", "auth/login", "*"])(
    "that another server could be meant by is refused: %s",
    async (path) => {
      const { text } = await exchange(server.url, `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      expect(text).toMatch(/^HTTP\/1\.1 400 /);
      expect(text).toContain('{"error":{"code":"invalid_request"');
    },
  );

  test("with an unknown RPC is unimplemented to a gRPC client", async () => {
    const headers = GRPC_TYPE;
    const raw = await wire.http2({ path: "/auth.v1.AuthService/Unknown", headers, body: encodeEnvelope(0, LOGIN) });
    expect(raw.status).toBe(404);
  });
});

describe("a method", () => {
  const ALLOWED: [string, string][] = [
    ["/auth/login", "POST"],
    ["/auth/register", "POST"],
    ["/auth/me", "GET"],
    ["/.well-known/jwks.json", "GET"],
    ["/healthz", "GET"],
    ["/readyz", "GET"],
    ["/openapi.json", "GET"],
    ["/auth.v1.AuthService/Login", "POST"],
    ["/auth.v1.AuthService/GetMe", "POST, GET"],
  ];

  test.each(ALLOWED)("that %s does not know is 405 and told what it knows", async (path, allow) => {
    for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]) {
      const request = { path, method, headers: JSON_TYPE, ...(method === "POST" && { body: "{}" }) };
      const isAllowed = allow.split(", ").includes(method);
      for (const raw of [await http1(request), await timed(wire.http2(request))]) {
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
      for (const head of [await http1({ path, method: "HEAD" }), await timed(wire.http2({ path, method: "HEAD" }))]) {
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
    const { text, ms } = await exchange(server.url, bytes, { end: true });
    expect(text).toMatch(/^HTTP\/1\.1 400 /);
    expect(text).toContain('{"error":{"code":"invalid_request"');
    expect(text).not.toMatch(PARSERS_WORDS);
    expect(ms).toBeLessThan(2_000);
    expect((await call(`${server.url}/healthz`)).status).toBe(200);
  });

  test("with a length over what is sent ends when the client does", async () => {
    const { text, ms } = await exchange(server.url, post("Content-Length: 100", "{}"), { end: true });
    expect(text).toMatch(/^(HTTP\/1\.1 400 |$)/);
    expect(ms).toBeLessThan(2_000);
  });

  test("with a length under what is sent does not take the rest for a request", async () => {
    const { text } = await exchange(server.url, post("Content-Length: 2", `{}${LOGIN_JSON}`), { end: true });
    expect(text).toMatch(/^HTTP\/1\.1 (400|401) /);
    expect(text.match(/HTTP\/1\.1 /g)?.length).toBeLessThanOrEqual(2);
  });

  test("serves the next request of the connection after each refusal that it has read", async () => {
    const bad = post("Content-Length: 1", "{");
    const good = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    const { text } = await exchange(server.url, bad + good);
    expect(text).toMatch(/^HTTP\/1\.1 400 [\s\S]*HTTP\/1\.1 200 OK/);
  });
});

describe("a client that goes away", () => {
  test("before it has its answer costs no error in the log", async () => {
    const { credentials } = await registerUser(server.url);
    const body = JSON.stringify({ identifier: credentials.email, password: "not the passphrase" });
    for (const path of [ROUTE, RPC]) {
      const controllers = Array.from({ length: 30 }, () => new AbortController());
      const calls = controllers.map(({ signal }) =>
        fetch(server.url + path, { method: "POST", headers: JSON_TYPE, body, signal }).catch(() => undefined),
      );
      for (const controller of controllers) setImmediate(() => controller.abort());
      await Promise.all(calls);
    }
    const session = connect2(server.url);
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
    expect((await loginUser(server.url, credentials.email)).status).toBe(200);
    expect(server.logs.filter((line) => line["level"] === "error")).toStrictEqual([]);
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
