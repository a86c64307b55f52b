import { gzipSync } from "node:zlib";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { describe, expect, test } from "vitest";
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
import { readRest, readRpc, sendRpc } from "./support/wire.ts";

const target = startTarget();
const { http1 } = target;

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
    const grpc = await timed(target.wire.http2({ path: RPC, headers, body: framed }));
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
      const answer = await timed(sendRpc(target.wire, protocol, { path: RPC, payload }));
      expectRefused(answer, "invalid_request");
      expect(answer.domain).toBe("auth");
    }
  });

  test("with another wire type for a field is no crash", async () => {
    const payload = Buffer.from([0x08, 0x01, 0x10, 0x01]);
    for (const protocol of ["connect-proto", "grpc-web", "grpc"] as const) {
      const { status, reason } = await timed(sendRpc(target.wire, protocol, { path: RPC, payload }));
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
    const grpc = await timed(target.wire.http2({ path: RPC, headers: GRPC_TYPE, body }));
    for (const answer of [readRpc("grpc-web", web), readRpc("grpc", grpc)]) {
      expect(["invalid_request", "invalid_credentials"]).toContain(answer.reason);
      expect(answer.text).not.toMatch(PARSERS_WORDS);
    }
  });

  test("of four gigabytes is too large before it comes", async () => {
    const body = frame(0, 0xffffffff, Buffer.alloc(100));
    const web = readRpc("grpc-web", await http1({ path: RPC, headers: WEB_TYPE, body }));
    expectRefused(web, "payload_too_large");
    const grpc = readRpc("grpc", await timed(target.wire.http2({ path: RPC, headers: GRPC_TYPE, body })));
    expectRefused(grpc, "payload_too_large");
  });
});
