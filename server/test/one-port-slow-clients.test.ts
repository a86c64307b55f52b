import { once } from "node:events";
import http2 from "node:http2";
import { describe, expect, it, onTestFinished } from "vitest";
import type { RequestListener } from "../src/http/one-port.ts";
import {
  DATA,
  END_HEADERS,
  END_STREAM,
  frame,
  getHeaders,
  HEADERS,
  hex,
  preface,
  RST_STREAM,
  settings,
  WINDOW_UPDATE,
  withLengthZero,
} from "./support/http2-frames.ts";
import {
  answerOf,
  call,
  expectAlive,
  expectRefusal,
  invalidRequest,
  largeTo,
  request,
  send,
  session,
  short,
  signal,
  start,
  wire,
  write,
} from "./support/one-port.ts";

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
    onTestFinished(() => clearInterval(drip));
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
    onTestFinished(() => clearInterval(pings));
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
