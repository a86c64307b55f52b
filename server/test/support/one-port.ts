import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import http2, { type ClientHttp2Session, type ClientHttp2Stream, type OutgoingHttpHeaders } from "node:http2";
import net, { type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Writable } from "node:stream";
import { expect, onTestFinished } from "vitest";
import {
  type Limits,
  listenOnePort,
  type OnePort,
  type OnePortOptions,
  type RequestListener,
} from "../../src/http/one-port.ts";

export const invalidRequest = {
  error: {
    code: "invalid_request",
    message: "The request could not be read. Check its content type, its syntax and the types of its fields.",
  },
};
export const tooLarge = {
  error: { code: "payload_too_large", message: "The request is larger than this server accepts." },
};
export const internal = {
  error: { code: "internal", message: "The server failed. The request id finds the cause in its log." },
};

/** Short enough for a test to wait for, and none shorter than what its test is about. */
export const short = {
  openingTimeoutMs: 100,
  headersTimeoutMs: 100,
  requestTimeoutMs: 100,
  lingerMs: 50,
} satisfies Partial<Limits>;

export const echo: RequestListener = (req, res) => {
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

export type Server = OnePort & { errors: { error: unknown; where: string; requestId: string | undefined }[] };

export async function start(options: Partial<OnePortOptions> = {}): Promise<Server> {
  const errors: Server["errors"] = [];
  const server = await listenOnePort({
    host: "127.0.0.1",
    port: 0,
    listener: echo,
    onError: (error, where, requestId) => errors.push({ error, where, requestId }),
    ...options,
  });
  onTestFinished(() => server.drain(0));
  return { ...server, errors };
}

export type Wire = {
  socket: Socket;
  received: () => string;
  until: (text: string) => Promise<void>;
  closed: Promise<string>;
};

/** A connection in the tester's hands; `closed` is all it received by the time it ended. */
export async function wire({ port }: OnePort, first: string | Buffer = ""): Promise<Wire> {
  const socket = net.connect({ port, host: "127.0.0.1", noDelay: true });
  onTestFinished(() => void socket.destroy());
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
export async function send(server: OnePort, bytes: string | Buffer): Promise<string> {
  return (await wire(server, bytes)).closed;
}

export function parse(answer: string): { status: number; headers: string; body: unknown } {
  const [head = "", body = ""] = answer.split("\r\n\r\n");
  return { status: Number(head.split(" ")[1]), headers: head.toLowerCase(), body: JSON.parse(body) };
}

export const request = (line: string, ...headers: string[]): string =>
  [line, "Host: a.test", "Connection: close", ...headers, "", ""].join("\r\n");

export function expectRefusal(answer: string, status: number, body: unknown): void {
  const refusal = parse(answer);
  expect(refusal).toMatchObject({ status, body });
  expect(refusal.headers).toContain("content-type: application/json");
  expect(refusal.headers).toContain("connection: close");
}

export function session(server: OnePort, options: http2.ClientSessionOptions | http2.SecureClientSessionOptions = {}) {
  const client = http2.connect(server.url, options);
  onTestFinished(() => client.destroy());
  client.on("error", () => {});
  return client;
}

export type Answer = {
  headers: http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader;
  body: string;
  rstCode: number;
};

export async function answerOf(stream: ClientHttp2Stream): Promise<Answer> {
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

export function call(client: ClientHttp2Session, headers: OutgoingHttpHeaders, body = ""): Promise<Answer> {
  const stream = client.request({ ":path": "/", ...headers }, { endStream: false });
  stream.end(body);
  return answerOf(stream);
}

export async function expectAlive(server: OnePort): Promise<void> {
  expect(parse(await send(server, request("GET /alive HTTP/1.1"))).status).toBe(200);
  expect((await call(session(server), { ":path": "/alive" })).headers[":status"]).toBe(200);
}

/** The two kinds of response have no `write` in common for the compiler, but what they extend has. */
export const write = (res: Writable, chunk: string | Buffer): boolean => res.write(chunk);

/** A promise and its resolver, to wait for what happens inside a listener. */
export function signal<T>() {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

/** More than the kernel buffers of both ends hold. */
export const MORE_THAN_SOCKETS_HOLD = 64 * 1024 * 1024;

export function largeTo(path: string, onClose: () => void, size = MORE_THAN_SOCKETS_HOLD): RequestListener {
  const large = Buffer.alloc(size);
  return (req, res) => {
    const isLarge = req.url === path;
    res.once("close", isLarge ? onClose : () => {});
    res.end(isLarge ? large : '"small"');
  };
}

export function selfSigned(): { cert: Buffer; key: Buffer } {
  const dir = mkdtempSync(join(tmpdir(), "one-port-"));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const [key, cert] = [join(dir, "key.pem"), join(dir, "cert.pem")];
  const kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"];
  execFileSync("openssl", ["req", ...kind, "-subj", "/CN=localhost", "-keyout", key, "-out", cert], {
    stdio: "ignore",
  });
  return { cert: readFileSync(cert), key: readFileSync(key) };
}
