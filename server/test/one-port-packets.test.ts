import type { OutgoingHttpHeaders } from "node:http2";
import { describe, expect, it } from "vitest";
import { END_HEADERS, END_STREAM, frame, getHeaders, HEADERS, preface, settings } from "./support/http2-frames.ts";
import {
  answerOf,
  call,
  expectAlive,
  expectRefusal,
  invalidRequest,
  parse,
  request,
  send,
  session,
  short,
  start,
  tooLarge,
  wire,
} from "./support/one-port.ts";

describe("a hostile HTTP/1 packet", () => {
  it.each([
    ["garbage", "\0\x01\x02\xff\r\n\r\n"],
    ["a request line that never was", "HELLO\r\n\r\n"],
    ["a space", " \r\n\r\n"],
    ["no Host", "GET / HTTP/1.1\r\n\r\n"],
    ["an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n"],
    ["Host: [", "POST / HTTP/1.1\r\nHost: [\r\n\r\n"],
    ["Host: [::g]", "GET / HTTP/1.1\r\nHost: [::g]\r\n\r\n"],
    ["a Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"],
    ["a Host with a user", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"],
    ["a Host with a port out of range", "GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n"],
    ["Host: [ of HTTP/1.0", "GET / HTTP/1.0\r\nHost: [\r\n\r\n"],
    ["two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n"],
    ["a target in absolute form without a host", request("GET http:/// HTTP/1.1")],
    ["a target in absolute form with a broken host", request("GET http://[/ HTTP/1.1")],
    ["a target of another scheme", request("GET ftp://a/ HTTP/1.1")],
    ["a target that would change the host", request("GET //evil.test/x HTTP/1.1")],
    ["a target that is not a URL", request("GET /\\[ HTTP/1.1")],
    ["* of another method", request("GET * HTTP/1.1")],
    ["CONNECT", "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n"],
    ["an unknown expectation", request("POST / HTTP/1.1", "Expect: weird", "Content-Length: 0")],
    ["two lengths", request("POST / HTTP/1.1", "Content-Length: 1", "Transfer-Encoding: chunked")],
    ["a broken chunk", `${request("POST / HTTP/1.1", "Transfer-Encoding: chunked")}zz\r\n`],
  ])("is refused with JSON and ends nothing: %s", async (_name, bytes) => {
    const server = await start();
    expectRefusal(await send(server, Buffer.from(bytes, "latin1")), 400, invalidRequest);
    await expectAlive(server);
    expect(server.errors).toEqual([]);
  });

  it.each([
    ["HTTP/1.0 without Host", "POST /x HTTP/1.0\r\nContent-Length: 0\r\n\r\n", { url: "/x", authority: "localhost" }],
    ["a target in absolute form", request("GET http://b.test:1/x?y HTTP/1.1"), { url: "/x?y", authority: "b.test:1" }],
    ["a bare absolute form", request("GET http://b.test?y HTTP/1.1"), { url: "/?y", authority: "b.test" }],
    ["OPTIONS *", request("OPTIONS * HTTP/1.1"), { url: "*", method: "OPTIONS" }],
    ["TRACE", request("TRACE / HTTP/1.1"), { method: "TRACE" }],
    ["an IPv6 Host", "GET / HTTP/1.1\r\nHost: [::1]:80\r\nConnection: close\r\n\r\n", { authority: "[::1]:80" }],
  ])("is an ordinary request to the listener: %s", async (_name, bytes, expected) => {
    expect(parse(await send(await start(), bytes))).toMatchObject({ status: 200, body: expected });
  });

  it.each(["h2c", "websocket"])("that asks to upgrade to %s is served as HTTP/1.1", async (protocol) => {
    const { socket, until } = await wire(await start());
    socket.write(`GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`);
    await until('"version":"1.1"');
  });

  it("gets its continuation where it expects one", async () => {
    const { socket, until, closed } = await wire(
      await start(),
      request("POST / HTTP/1.1", "Expect: 100-continue", "Content-Length: 2"),
    );
    await until("100 Continue");
    socket.write("hi");
    expect(await closed).toContain('"body":"hi"');
  });

  it("answers a pipeline in order, and what is broken after it last", async () => {
    const next = "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n";
    const answers = await send(await start(), `GET /1 HTTP/1.1\r\nHost: a\r\n\r\n${next}BROKEN\r\n\r\n`);
    const order = ["/1", "/2", "invalid_request"].map((text) => answers.indexOf(text));
    expect(order).toEqual(order.toSorted((a, b) => a - b));
    expect(order).not.toContain(-1);
  });

  it("never answers one request twice", async () => {
    const server = await start({ listener: (_req, res) => void res.end("early"), limits: short });
    const answer = await send(server, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n");
    expect(answer.match(/HTTP\/1.1/g)).toHaveLength(1);
  });

  it("that is cut short is refused, and a reset ends nothing", async () => {
    const server = await start();
    const { socket, closed } = await wire(server);
    socket.end("GET / HTTP/1.1\r\nHo");
    expectRefusal(await closed, 400, invalidRequest);
    const reset = await wire(server, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
    reset.socket.resetAndDestroy();
    await reset.closed;
    await expectAlive(server);
  });

  it("with headers above the limit gets 413", async () => {
    const server = await start({ limits: { headerBytes: 2_000 } });
    expectRefusal(await send(server, request("GET / HTTP/1.1", `X: ${"x".repeat(2_000)}`)), 413, tooLarge);
    const extension = `${request("POST / HTTP/1.1", "Transfer-Encoding: chunked")}1;${"x".repeat(20_000)}`;
    expectRefusal(await send(server, extension), 413, tooLarge);
  });
});

describe("a hostile HTTP/2 packet", () => {
  it.each<[string, OutgoingHttpHeaders, number, unknown]>([
    [":authority: [", { ":authority": "[" }, 400, invalidRequest],
    [":authority with a port out of range", { ":authority": "a:99999" }, 400, invalidRequest],
    ["an :authority and another host", { ":authority": "a", host: "b" }, 400, invalidRequest],
    ["a path that would change the host", { ":path": "//evil.test/" }, 400, invalidRequest],
    ["an unknown expectation", { expect: "weird" }, 400, invalidRequest],
    ["headers above the limit", { "x-pad": "x".repeat(20_000) }, 413, tooLarge],
    ["500 header fields", Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`x-${i}`, "1"])), 413, tooLarge],
  ])("is refused with JSON and ends nothing: %s", async (_name, headers, status, body) => {
    const server = await start();
    const answer = await call(session(server), headers);
    expect(answer.headers).toMatchObject({ ":status": status, "content-type": "application/json" });
    expect(JSON.parse(answer.body)).toEqual(body);
    await expectAlive(server);
    expect(server.errors).toEqual([]);
  });

  it("without any authority has its stream reset", async () => {
    const server = await start({ limits: { ...short, idleTimeoutMs: 100 } });
    const get = frame(HEADERS, END_HEADERS | END_STREAM, 1, getHeaders.subarray(0, 3));
    expect(await send(server, Buffer.concat([preface, settings, get]))).toContain("\x03\0\0\0\0\x01\0\0\0\x01");
  });

  it("may be CONNECT, and is refused", async () => {
    const stream = session(await start()).request({ ":method": "CONNECT", ":authority": "a.test:443" });
    expect(JSON.parse((await answerOf(stream)).body)).toEqual(invalidRequest);
  });

  it.each([
    ["another preface", Buffer.from("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n")],
    ["an unknown frame where SETTINGS must be", Buffer.concat([preface, frame(99, 0, 1)])],
    ["a frame above the limit", Buffer.concat([preface, settings, frame(0, 0, 1, Buffer.alloc(20_000))])],
    ["headers that are not HPACK", Buffer.concat([preface, settings, frame(1, 5, 1, Buffer.alloc(9, 0xff))])],
  ])("closes its own connection only: %s", async (_name, bytes) => {
    // nghttp2 ends some sessions without telling Node: these stay until they count as idle.
    const server = await start({ limits: { ...short, idleTimeoutMs: 100, writeTimeoutMs: 100 } });
    await send(server, bytes);
    await expectAlive(server);
  });
});
