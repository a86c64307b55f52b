import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import http from "node:http";
import http2, { type ClientHttp2Session, type ClientHttp2Stream, type OutgoingHttpHeaders } from "node:http2";
import net, { type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Writable } from "node:stream";
import tls from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import {
  type Limits,
  listenOnePort,
  type OnePort,
  type OnePortOptions,
  type RequestListener,
} from "../src/http/one-port.ts";

const invalidRequest = {
  error: {
    code: "invalid_request",
    message: "The request could not be read. Check its content type, its syntax and the types of its fields.",
  },
};
const tooLarge = { error: { code: "payload_too_large", message: "The request is larger than this server accepts." } };
const internal = {
  error: { code: "internal", message: "The server failed. The request id finds the cause in its log." },
};

/** Short enough for a test to wait for, and none shorter than what its test is about. */
const short = {
  openingTimeoutMs: 100,
  headersTimeoutMs: 100,
  requestTimeoutMs: 100,
  lingerMs: 50,
} satisfies Partial<Limits>;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const echo: RequestListener = (req, res) => {
  const chunks: Buffer[] = [];
  req.on("data", (chunk: Buffer) => chunks.push(chunk));
  req.on("end", () => {
    const authority = req.headers[":authority"] ?? req.headers.host;
    res.setHeader("content-type", "application/json");
    res.end(
      JSON.stringify({
        version: req.httpVersion,
        method: req.method,
        url: req.url,
        authority,
        body: Buffer.concat(chunks).toString(),
      }),
    );
  });
};

type Server = OnePort & { errors: { error: unknown; where: string; requestId: string | undefined }[] };

async function start(options: Partial<OnePortOptions> = {}): Promise<Server> {
  const errors: Server["errors"] = [];
  const server = await listenOnePort({
    host: "127.0.0.1",
    port: 0,
    listener: echo,
    onError: (error, where, requestId) => errors.push({ error, where, requestId }),
    ...options,
  });
  cleanups.push(() => server.drain(0));
  return { ...server, errors };
}

type Wire = { socket: Socket; received: () => string; until: (text: string) => Promise<void>; closed: Promise<string> };

/** A connection in the tester's hands; `closed` is all it received by the time it ended. */
async function wire({ port }: OnePort, first: string | Buffer = ""): Promise<Wire> {
  const socket = net.connect({ port, host: "127.0.0.1", noDelay: true });
  cleanups.push(() => socket.destroy());
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk.toString("latin1");
  });
  socket.on("error", () => {});
  const closed = new Promise<string>((resolve) => socket.once("close", () => resolve(text)));
  await once(socket, "connect");
  socket.write(first);
  return {
    socket,
    closed,
    received: () => text,
    until: async (wanted) => {
      while (!text.includes(wanted)) await once(socket, "data");
    },
  };
}

/** Sends bytes and returns the whole of what comes back before the server closes. */
async function send(server: OnePort, bytes: string | Buffer): Promise<string> {
  return (await wire(server, bytes)).closed;
}

function parse(answer: string): { status: number; headers: string; body: unknown } {
  const [head = "", body = ""] = answer.split("\r\n\r\n");
  return { status: Number(head.split(" ")[1]), headers: head.toLowerCase(), body: JSON.parse(body) };
}

const request = (line: string, ...headers: string[]): string =>
  [line, "Host: a.test", "Connection: close", ...headers, "", ""].join("\r\n");

function expectRefusal(answer: string, status: number, body: unknown): void {
  const refusal = parse(answer);
  expect(refusal).toMatchObject({ status, body });
  expect(refusal.headers).toContain("content-type: application/json");
  expect(refusal.headers).toContain("connection: close");
}

function session(server: OnePort, options: http2.ClientSessionOptions | http2.SecureClientSessionOptions = {}) {
  const client = http2.connect(server.url, options);
  cleanups.push(() => client.destroy());
  client.on("error", () => {});
  return client;
}

type Answer = { headers: http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader; body: string; rstCode: number };

async function answerOf(stream: ClientHttp2Stream): Promise<Answer> {
  const answer: Answer = { headers: {}, body: "", rstCode: 0 };
  stream.on("response", (headers) => {
    answer.headers = headers;
  });
  stream.on("data", (chunk: Buffer) => {
    answer.body += chunk;
  });
  stream.on("error", () => {});
  await new Promise((resolve) => stream.once("close", resolve));
  return { ...answer, rstCode: stream.rstCode };
}

function call(client: ClientHttp2Session, headers: OutgoingHttpHeaders, body = ""): Promise<Answer> {
  const stream = client.request({ ":path": "/", ...headers }, { endStream: false });
  stream.end(body);
  return answerOf(stream);
}

async function expectAlive(server: OnePort): Promise<void> {
  expect(parse(await send(server, request("GET /alive HTTP/1.1"))).status).toBe(200);
  expect((await call(session(server), { ":path": "/alive" })).headers[":status"]).toBe(200);
}

/** The two kinds of response have no `write` in common for the compiler, but what they extend has. */
const write = (res: Writable, chunk: string | Buffer): boolean => res.write(chunk);

/** A promise and its resolver, to wait for what happens inside a listener. */
function signal<T>() {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

const hex = (bytes: string): string => Buffer.from(bytes, "latin1").toString("hex");

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const settings = frame(4, 0, 0);
/** GET http /, `:authority: a`, in HPACK. */
const getHeaders = Buffer.from([0x82, 0x86, 0x84, 0x41, 0x01, 0x61]);
const withLengthZero = Buffer.concat([getHeaders, Buffer.from([0x0f, 0x0d, 0x01, 0x30])]);
const DATA = 0;
const HEADERS = 1;
const RST_STREAM = 3;
const WINDOW_UPDATE = 8;
const END_STREAM = 1;
const END_HEADERS = 4;

describe("one clear-text port", () => {
  it("serves HTTP/1.1 and HTTP/2", async () => {
    const server = await start();
    const http1 = parse(await send(server, `${request("POST /one?x=1 HTTP/1.1", "Content-Length: 2")}hi`));
    expect(http1.body).toEqual({ version: "1.1", method: "POST", url: "/one?x=1", authority: "a.test", body: "hi" });
    const http2Answer = await call(session(server), { ":method": "POST", ":path": "/two" }, "ho");
    expect(JSON.parse(http2Answer.body)).toMatchObject({ version: "2.0", method: "POST", url: "/two", body: "ho" });
  });

  it.each([
    ["PROPFIND / HTTP/1.1", "HTTP/1.1 200"],
    ["POST / HTTP/1.1", "HTTP/1.1 200"],
    ["GET / HTTP/1.1", "HTTP/1.1 200"],
  ])("reads %s from single bytes", async (line, expected) => {
    const { socket, closed } = await wire(await start());
    for (const byte of request(line)) await new Promise((sent) => socket.write(byte, sent));
    expect(await closed).toContain(expected);
  });

  it("reads the HTTP/2 preface from single bytes", async () => {
    const { socket, until } = await wire(await start());
    for (const byte of preface) await new Promise((sent) => socket.write(Buffer.of(byte), sent));
    socket.write(Buffer.concat([settings, frame(HEADERS, END_HEADERS | END_STREAM, 1, getHeaders)]));
    await until('"version":"2.0"');
  });

  it.each(["", "P", "PR"])("closes a connection that says only %j", async (bytes) => {
    expect(await send(await start({ limits: short }), bytes)).toBe("");
  });

  it("keeps an HTTP/1.1 connection for the next request", async () => {
    const server = await start();
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    cleanups.push(() => agent.destroy());
    const get = async (): Promise<boolean> => {
      const req = http.get(server.url, { agent });
      const [res] = await once(req, "response");
      res.resume();
      await once(res, "close");
      return req.reusedSocket;
    };
    expect([await get(), await get()]).toEqual([false, true]);
  });

  it("says nothing about its software", async () => {
    const { headers } = parse(await send(await start(), request("GET / HTTP/1.1")));
    expect(headers).not.toMatch(/^(server|x-powered-by):/m);
  });

  it("rejects when the address is taken", async () => {
    const { port } = await start();
    await expect(start({ port })).rejects.toThrow("EADDRINUSE");
  });

  it("closes a connection above its number at once", async () => {
    const server = await start({ limits: { maxConnections: 1 } });
    await wire(server);
    expect(await send(server, request("GET / HTTP/1.1"))).toBe("");
  });
});

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

describe("a listener that fails", () => {
  const failures: [string, RequestListener][] = [
    ["throws", () => raise()],
    ["rejects", async () => raise()],
  ];
  const raise = (): never => {
    throw new Error("secret cause");
  };

  it.each(failures)("and %s is reported and answered 500", async (_name, fail) => {
    const listener: RequestListener = (req, res) => {
      res.setHeader("x-half", "prepared");
      res.setHeader("x-request-id", "request-1");
      return fail(req, res);
    };
    const server = await start({ listener });
    const answer = await send(server, request("GET / HTTP/1.1"));
    expectRefusal(answer, 500, internal);
    expect(answer).not.toContain("x-half");
    expect(answer).toContain("x-request-id: request-1");
    const http2Answer = await call(session(server), {});
    expect(http2Answer.headers).toMatchObject({ ":status": 500, "content-type": "application/json" });
    expect(JSON.parse(http2Answer.body)).toEqual(internal);
    expect(server.errors.map(({ error, requestId }) => ({ error, requestId }))).toEqual([
      { error: new Error("secret cause"), requestId: "request-1" },
      { error: new Error("secret cause"), requestId: "request-1" },
    ]);
  });

  it.each(failures)("and %s after its response began has it cut off", async (_name, fail) => {
    const server = await start({
      listener: (req, res) => {
        res.setHeader("content-length", 100);
        write(res, "half");
        return fail(req, res);
      },
    });
    expect(await send(server, request("GET / HTTP/1.1"))).not.toContain("internal");
    expect((await call(session(server), {})).rstCode).toBe(http2.constants.NGHTTP2_INTERNAL_ERROR);
    expect(server.errors).toHaveLength(2);
  });

  it("and writes after the end of its response is reported", async () => {
    const reported = signal<string>();
    const server = await start({
      onError: (_error, where) => reported.resolve(where),
      listener: (_req, res) => {
        res.end("done");
        write(res, "more");
      },
    });
    await send(server, request("GET / HTTP/1.1"));
    expect(await reported.promise).toBe("http/1 response");
    await call(session(server), {});
  });
});

describe("a slow HTTP/1 client", () => {
  it.each([
    ["headers", "GET / HTTP/1.1\r\nHost: a"],
    ["body", request("POST / HTTP/1.1", "Content-Length: 9")],
  ])("is refused when its %s do not come in time", async (_name, bytes) => {
    expectRefusal(await send(await start({ limits: short }), bytes), 400, invalidRequest);
  });

  it("cannot buy time with single bytes", async () => {
    const { socket, closed } = await wire(await start({ limits: short }), "GET / HTTP/1.1\r\nX: ");
    const drip = setInterval(() => socket.write("x"), 10);
    cleanups.push(() => clearInterval(drip));
    expectRefusal(await closed, 400, invalidRequest);
  });

  it("loses an idle connection", async () => {
    const server = await start({ limits: { idleTimeoutMs: 50 } });
    expect(await send(server, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")).toContain("200 OK");
  });

  it("is cut off when it does not read its response, while others are served", async () => {
    const gone = signal<void>();
    const server = await start({ limits: { writeTimeoutMs: 100 }, listener: largeTo("/large", gone.resolve) });
    const { socket } = await wire(server);
    socket.pause();
    socket.write("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    await expectAlive(server);
    await gone.promise;
  });

  it("loses a response that stays silent", async () => {
    const server = await start({
      limits: { streamIdleMs: 100 },
      listener: (_req, res) => void write(res, "begun"),
    });
    expect(await send(server, request("GET / HTTP/1.1"))).toContain("begun");
  });
});

/** More than the kernel buffers of both ends hold. */
const MORE_THAN_SOCKETS_HOLD = 64 * 1024 * 1024;

function largeTo(path: string, onClose: () => void, size = MORE_THAN_SOCKETS_HOLD): RequestListener {
  const large = Buffer.alloc(size);
  return (req, res) => {
    const isLarge = req.url === path;
    res.once("close", isLarge ? onClose : () => {});
    res.end(isLarge ? large : '"small"');
  };
}

describe("a slow HTTP/2 client", () => {
  it.each([
    ["JSON", "application/json"],
    ["gRPC", "application/grpc"],
    ["Connect streaming", "application/connect+proto"],
  ])("has a %s request reset whose body does not come in time", async (_name, type) => {
    const stream = session(await start({ limits: short })).request({ ":method": "POST", "content-type": type });
    const drip = setInterval(() => stream.write("x"), 10);
    stream.once("close", () => clearInterval(drip));
    expect((await answerOf(stream)).rstCode).toBe(http2.constants.NGHTTP2_CANCEL);
  });

  it("may stream for longer than a request's time once it is being answered", async () => {
    const listener: RequestListener = (req, res) => {
      req.on("data", (chunk: Buffer) => write(res, chunk));
      req.on("end", () => res.end());
    };
    const server = await start({ listener, limits: { requestTimeoutMs: 50 } });
    const stream = session(server).request({ ":method": "POST", "content-type": "application/grpc" });
    const answer = answerOf(stream);
    const begun = performance.now();
    let sent = "";
    while (performance.now() - begun < 200) {
      stream.write("beat;");
      sent += "beat;";
      await once(stream, "data");
    }
    stream.end();
    expect(await answer).toMatchObject({ body: sent, rstCode: 0 });
  });

  it("does not stream with an ordinary content type", async () => {
    const server = await start({ listener: (_req, res) => void write(res, "begun"), limits: short });
    const stream = session(server).request({ ":method": "POST", "content-type": "application/json" });
    expect(await answerOf(stream)).toMatchObject({ body: "begun", rstCode: http2.constants.NGHTTP2_CANCEL });
  });

  it("loses a stream that stays silent", async () => {
    const server = await start({ listener: (_req, res) => void write(res, "begun"), limits: { streamIdleMs: 100 } });
    const stream = session(server).request({ ":method": "POST", "content-type": "application/grpc" });
    expect(await answerOf(stream)).toMatchObject({ body: "begun", rstCode: http2.constants.NGHTTP2_CANCEL });
  });

  it("is cut off where it opens no window, while its other streams go on", async () => {
    const gone = signal<void>();
    const listener = largeTo("/large", gone.resolve, 100_000);
    const server = await start({ limits: { writeTimeoutMs: 100 }, listener });
    const client = session(server, { settings: { initialWindowSize: 1_000 } });
    const stream = client.request({ ":path": "/large" });
    stream.on("error", () => {});
    await once(stream, "response");
    const pings = setInterval(() => client.ping(() => {}), 10);
    cleanups.push(() => clearInterval(pings));
    await gone.promise;
    expect((await call(client, { ":path": "/small" })).body).toBe('"small"');
  });

  it("is cut off when it does not read its socket", async () => {
    const gone = signal<void>();
    const server = await start({ limits: { writeTimeoutMs: 100, lingerMs: 50 }, listener: largeTo("/", gone.resolve) });
    const { socket } = await wire(server);
    socket.pause();
    const windows = [0, 1].map((id) => frame(WINDOW_UPDATE, 0, id, Buffer.from([0x7f, 0, 0, 0])));
    const get = frame(HEADERS, END_HEADERS | END_STREAM, 1, getHeaders);
    const [connectionWindow = get, streamWindow = get] = windows;
    socket.write(Buffer.concat([preface, settings, connectionWindow, get, streamWindow]));
    await gone.promise;
  });

  it.each([
    ["preface", preface.subarray(0, 10)],
    ["SETTINGS", preface],
    ["HEADERS", Buffer.concat([preface, settings, frame(HEADERS, END_STREAM, 1, getHeaders)])],
    ["half a frame of HEADERS", Buffer.concat([preface, settings, frame(HEADERS, 5, 1, getHeaders).subarray(0, 12)])],
  ])("is closed when it does not complete its %s", async (_name, bytes) => {
    const server = await start({ limits: short });
    await send(server, bytes);
    await expectAlive(server);
  });

  it("is told to go when idle", async () => {
    const client = session(await start({ limits: { idleTimeoutMs: 100 } }));
    expect((await call(client, {})).headers[":status"]).toBe(200);
    const [code] = await once(client, "goaway");
    expect(code).toBe(http2.constants.NGHTTP2_NO_ERROR);
    await once(client, "close");
  });
});

describe("the limits of an HTTP/2 connection", () => {
  it("are advertised", async () => {
    const client = session(await start({ limits: { maxConcurrentStreams: 7, headerBytes: 4_096 } }));
    const [advertised] = await once(client, "remoteSettings");
    expect(advertised).toMatchObject({ maxConcurrentStreams: 7, maxHeaderListSize: 4 * 4_096 });
  });

  it.each([
    ["that it resets itself", END_HEADERS | END_STREAM, getHeaders, frame(RST_STREAM, 0, 1, Buffer.from([0, 0, 0, 8]))],
    ["that it makes the server reset", END_HEADERS, withLengthZero, frame(DATA, END_STREAM, 1, Buffer.from("x"))],
  ])("end it after too many streams %s", async (_name, flags, headers, ending) => {
    const server = await start({ listener: () => {}, limits: { ...short, resetBurst: 20, resetsPerSecond: 1 } });
    const rounds = Array.from({ length: 50 }, (_, i) => {
      const end = Buffer.from(ending);
      end.writeUInt32BE(2 * i + 1, 5);
      return Buffer.concat([frame(HEADERS, flags, 2 * i + 1, headers), end]);
    });
    // GOAWAY: ENHANCE_YOUR_CALM.
    expect(hex(await send(server, Buffer.concat([preface, settings, ...rounds])))).toMatch(/070000000000.{8}0000000b/);
  });

  it("do not count calls that end well", async () => {
    const client = session(await start({ limits: { resetBurst: 5, resetsPerSecond: 1 } }));
    const answers = await Promise.all(Array.from({ length: 50 }, () => call(client, {})));
    expect(answers.map(({ headers }) => headers[":status"])).toEqual(Array.from({ length: 50 }, () => 200));
  });
});

describe("draining", () => {
  /** Answers every request when released. */
  async function startHeld() {
    const release = signal<void>();
    const server = await start({
      listener: async (_req, res) => {
        await release.promise;
        res.end("finished");
      },
    });
    return { server, release: release.resolve };
  }

  it("accepts nobody, closes the idle at once and resolves when all is closed", async () => {
    const server = await start();
    const silent = await wire(server);
    const idle = await wire(server, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await idle.until("}");
    const client = session(server);
    await call(client, {});
    await Promise.all([server.drain(60_000), silent.closed, idle.closed, once(client, "close")]);
    await expect(wire(server)).rejects.toThrow("ECONNREFUSED");
  });

  it("lets an HTTP/1.1 request finish and says that it closes", async () => {
    const { server, release } = await startHeld();
    const active = await wire(
      server,
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n",
    );
    await active.until("100 Continue");
    const drained = server.drain(60_000);
    release();
    const answer = await active.closed;
    expect(answer).toContain("finished");
    expect(answer).toContain("Connection: close");
    await drained;
  });

  it("lets HTTP/2 streams finish and sends GOAWAY", async () => {
    const { server, release } = await startHeld();
    const client = session(server);
    const stream = client.request({ ":method": "POST", expect: "100-continue" });
    const answer = answerOf(stream);
    await once(stream, "continue");
    const drained = server.drain(60_000);
    await once(client, "goaway");
    release();
    expect(await answer).toMatchObject({ body: "finished", rstCode: 0 });
    await drained;
  });

  it("tells an HTTP/2 client which of its requests it will answer", async () => {
    const { server, release } = await startHeld();
    const expecting = Buffer.concat([getHeaders, Buffer.from("\0\x06expect\x0c100-continue", "latin1")]);
    const get = (id: number, headers: Buffer) => frame(HEADERS, END_HEADERS | END_STREAM, id, headers);
    const { socket, until, closed } = await wire(server, Buffer.concat([preface, settings, get(1, expecting)]));
    // The HEADERS of "100 Continue".
    await until("\x01\x04\0\0\0\x01");
    const drained = server.drain(60_000);
    // GOAWAY: NO_ERROR after stream 1.
    await until("\x07\0\0\0\0\0\0\0\0\x01\0\0\0\0");
    socket.write(get(3, getHeaders));
    release();
    expect((await closed).match(/finished/g)).toHaveLength(1);
    await drained;
  });

  it("cuts off what is left after its grace", async () => {
    const { server } = await startHeld();
    const active = await wire(
      server,
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n",
    );
    await active.until("100 Continue");
    const client = session(server);
    const stream = client.request({ ":method": "POST", expect: "100-continue" });
    const answer = answerOf(stream);
    await once(stream, "continue");
    await server.drain(50);
    expect(await active.closed).not.toContain("finished");
    expect((await answer).body).toBe("");
  });

  it("is done once, however often it is asked for", async () => {
    const server = await start();
    expect(server.drain(0)).toBe(server.drain(60_000));
    await server.drain(0);
  });
});

describe("one port over TLS", () => {
  const startTls = (options: Partial<OnePortOptions> = {}) => start({ tls: selfSigned(), ...options });
  const unverified = { rejectUnauthorized: false };

  async function overTls(server: OnePort, options: tls.ConnectionOptions): Promise<string> {
    const socket = tls.connect({ port: server.port, host: "127.0.0.1", ...unverified, ...options });
    cleanups.push(() => socket.destroy());
    socket.write(request("GET /tls HTTP/1.1"));
    let text = "";
    for await (const chunk of socket) text += chunk;
    return text;
  }

  it("serves HTTP/2 where ALPN says h2", async () => {
    const server = await startTls();
    expect(server.url).toBe(`https://127.0.0.1:${server.port}`);
    const answer = await call(session(server, unverified), { ":path": "/tls" });
    expect(JSON.parse(answer.body)).toMatchObject({ version: "2.0", url: "/tls" });
  });

  it.each([
    ["says http/1.1", { ALPNProtocols: ["http/1.1"] }],
    ["is absent", {}],
  ])("serves HTTP/1.1 where ALPN %s", async (_name, options) => {
    const { body } = parse(await overTls(await startTls(), options));
    expect(body).toMatchObject({ version: "1.1", url: "/tls" });
  });

  it("refuses TLS 1.1", async () => {
    const old = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" } as const;
    await expect(overTls(await startTls(), old)).rejects.toThrow(/protocol version/);
  });

  it.each([
    ["silent", ""],
    ["in clear text", request("GET / HTTP/1.1")],
    ["cut short", Buffer.from([0x16, 3, 1, 2, 0, 1])],
  ])("closes a handshake that is %s, and serves others", async (_name, bytes) => {
    const server = await startTls({ limits: short });
    await send(server, bytes);
    expect((await call(session(server, unverified), {})).headers[":status"]).toBe(200);
  });

  it("drains", async () => {
    const server = await startTls();
    const handshake = await wire(server);
    const client = session(server, unverified);
    await call(client, {});
    await Promise.all([server.drain(60_000), handshake.closed, once(client, "close")]);
  });

  it("cuts off a slow reader, and what is left after the grace", async () => {
    const gone = signal<void>();
    const server = await startTls({ limits: { writeTimeoutMs: 100 }, listener: largeTo("/", gone.resolve) });
    const socket = tls.connect({ port: server.port, host: "127.0.0.1", ...unverified });
    cleanups.push(() => socket.destroy());
    socket.on("error", () => {});
    socket.pause();
    socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await gone.promise;
    const stays = await wire(server);
    await Promise.all([server.drain(0), stays.closed]);
  });
});

function selfSigned(): { cert: Buffer; key: Buffer } {
  const dir = mkdtempSync(join(tmpdir(), "one-port-"));
  cleanups.push(() => rmSync(dir, { recursive: true }));
  const [key, cert] = [join(dir, "key.pem"), join(dir, "cert.pem")];
  const kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"];
  execFileSync("openssl", ["req", ...kind, "-subj", "/CN=localhost", "-keyout", key, "-out", cert], {
    stdio: "ignore",
  });
  return { cert: readFileSync(cert), key: readFileSync(key) };
}
