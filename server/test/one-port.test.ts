import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import tls from "node:tls";
import { describe, expect, it, onTestFinished } from "vitest";
import type { OnePort, OnePortOptions, RequestListener } from "../src/http/one-port.ts";
import { END_HEADERS, END_STREAM, frame, getHeaders, HEADERS, preface, settings } from "./support/http2-frames.ts";
import {
  answerOf,
  call,
  expectRefusal,
  internal,
  largeTo,
  parse,
  request,
  selfSigned,
  send,
  session,
  short,
  signal,
  start,
  wire,
  write,
} from "./support/one-port.ts";

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
    onTestFinished(() => agent.destroy());
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
    onTestFinished(() => void socket.destroy());
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
    onTestFinished(() => void socket.destroy());
    socket.on("error", () => {});
    socket.pause();
    socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await gone.promise;
    const stays = await wire(server);
    await Promise.all([server.drain(0), stays.closed]);
  });
});
