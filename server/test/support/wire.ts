import { Agent, type IncomingHttpHeaders, request as request1 } from "node:http";
import { type ClientHttp2Session, connect as connect2 } from "node:http2";
import type { JsonValue } from "@bufbuild/protobuf";
import { type Code, ConnectError } from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { errorFromJson } from "@connectrpc/connect/protocol-connect";
import { findTrailerError } from "@connectrpc/connect/protocol-grpc";
import { trailerParse } from "@connectrpc/connect/protocol-grpc-web";
import { ErrorInfoSchema } from "@sello/gen/google/rpc/error_details_pb";

/** What came back, as bytes. */
export type RawAnswer = { status: number; headers: Headers; trailers: Headers; body: Buffer };
export type RawRequest = {
  path: string;
  method?: string;
  headers?: Record<string, string | string[]>;
  body?: Uint8Array | string;
};

/** Connections that are kept for many requests: one of HTTP/2, some of HTTP/1.1. */
export type Wire = AsyncDisposable & {
  http1(request: RawRequest): Promise<RawAnswer>;
  http2(request: RawRequest): Promise<RawAnswer>;
};

export function openWire(url: string): Wire {
  const { hostname, port } = new URL(url);
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  const session = connect2(url);
  session.on("error", () => undefined);
  return {
    http1: ({ path, method = "POST", headers = {}, body }) =>
      new Promise((resolve, reject) => {
        const request = request1({ hostname, port, path, method, headers, agent }, (response) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk) => chunks.push(chunk));
          response.on("error", reject);
          response.on("end", () =>
            resolve({
              status: response.statusCode ?? 0,
              headers: toHeaders(response.headers),
              trailers: toHeaders(response.trailers),
              body: Buffer.concat(chunks),
            }),
          );
        });
        request.on("error", reject);
        request.end(body);
      }),
    http2: (request) => request2(session, request),
    async [Symbol.asyncDispose]() {
      agent.destroy();
      session.destroy();
    },
  };
}

function request2(session: ClientHttp2Session, { path, method = "POST", headers = {}, body }: RawRequest) {
  return new Promise<RawAnswer>((resolve, reject) => {
    const stream = session.request({ ":path": path, ":method": method, ...headers }, { endStream: body === undefined });
    const chunks: Buffer[] = [];
    let head: IncomingHttpHeaders & { ":status"?: number | undefined } = {};
    let trailers = new Headers();
    stream.on("response", (received) => {
      head = received;
    });
    stream.on("trailers", (received) => {
      trailers = toHeaders(received);
    });
    stream.on("data", (chunk) => chunks.push(chunk));
    stream.on("error", reject);
    stream.on("end", () => {
      resolve({ status: head[":status"] ?? 0, headers: toHeaders(head), trailers, body: Buffer.concat(chunks) });
    });
    if (body !== undefined) stream.end(body);
  });
}

function toHeaders(received: NodeJS.Dict<string | string[]>): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(received)) {
    if (name.startsWith(":") || value === undefined) continue;
    for (const item of [value].flat()) headers.append(name, item);
  }
  return headers;
}

/** An answer, whatever it travelled in. `reason` is undefined where the call succeeded, or the error is not the contract's. */
export type Outcome = {
  status: number;
  headers: Headers;
  ok: boolean;
  reason: string | undefined;
  domain: string | undefined;
  message: string;
  /** The status code of Connect and gRPC. */
  code: Code | undefined;
  /** The bytes of the message, without a frame. */
  payload: Buffer;
  text: string;
};

/** How each protocol wraps a message, and how its answers read. */
export type Protocol = "connect-json" | "connect-proto" | "grpc-web" | "grpc";
export const PROTOCOLS: Protocol[] = ["connect-json", "connect-proto", "grpc-web", "grpc"];

const TYPES: Record<Protocol, string> = {
  "connect-json": "application/json",
  "connect-proto": "application/proto",
  "grpc-web": "application/grpc-web+proto",
  grpc: "application/grpc+proto",
};

export type Sent = { path: string; payload: Uint8Array | string; headers?: Record<string, string> };

/** Sends the bytes of one message. */
export async function sendRpc(wire: Wire, protocol: Protocol, { path, payload, headers = {} }: Sent): Promise<Outcome> {
  const bytes = Buffer.from(payload);
  const framed = protocol === "grpc" || protocol === "grpc-web";
  const request = {
    path,
    headers: { "content-type": TYPES[protocol], ...(protocol === "grpc" && { te: "trailers" }), ...headers },
    body: framed ? encodeEnvelope(0, bytes) : bytes,
  };
  return readRpc(protocol, await (protocol === "grpc" ? wire.http2(request) : wire.http1(request)));
}

/** Reads an answer of a protocol. An answer of HTTP alone reads as the plain routes' do. */
export function readRpc(protocol: Protocol, raw: RawAnswer): Outcome {
  const type = raw.headers.get("content-type") ?? "";
  if (protocol === "grpc" && type.startsWith("application/grpc")) {
    const trailers = raw.trailers.has("grpc-status") ? raw.trailers : raw.headers;
    return outcome(raw, { error: findTrailerError(trailers), payload: raw.body.subarray(5) });
  }
  if (protocol === "grpc-web" && type.startsWith("application/grpc-web")) {
    const { message, trailers } = readWebFrames(raw.body);
    return outcome(raw, { error: findTrailerError(trailers), payload: message });
  }
  if (raw.status === 200) return outcome(raw, { error: undefined, payload: raw.body });
  const json = parsedOrUndefined(raw.body.toString());
  const isPlain = typeof json === "object" && json !== null && "error" in json;
  if (isPlain || json === undefined) return readRest(raw);
  const unknown = new ConnectError("not an error of Connect");
  return outcome(raw, { error: errorFromJson(json, raw.headers, unknown), payload: raw.body });
}

/** Reads an answer of a plain route. */
export function readRest(raw: RawAnswer): Outcome {
  const text = raw.body.toString();
  const json = parsedOrUndefined(text) as { error?: { code: string; message: string } } | undefined;
  return {
    status: raw.status,
    headers: raw.headers,
    ok: raw.status < 400,
    reason: json?.error?.code,
    domain: undefined,
    message: json?.error?.message ?? "",
    code: undefined,
    payload: raw.body,
    text,
  };
}

function outcome(raw: RawAnswer, { error, payload }: { error: ConnectError | undefined; payload: Buffer }): Outcome {
  const info = error?.findDetails(ErrorInfoSchema)[0];
  const headers = new Headers(raw.headers);
  for (const [name, value] of error?.metadata ?? []) headers.set(name, value);
  return {
    status: raw.status,
    headers,
    ok: error === undefined,
    reason: info?.reason,
    domain: info?.domain,
    message: error?.rawMessage ?? "",
    code: error?.code,
    payload,
    text: `${raw.body.toString("latin1")} ${JSON.stringify([...raw.trailers])} ${error?.rawMessage ?? ""}`,
  };
}

function readWebFrames(body: Buffer): { message: Buffer; trailers: Headers } {
  let message: Buffer = Buffer.alloc(0);
  let trailers = new Headers();
  for (let at = 0; at + 5 <= body.length; ) {
    const end = at + 5 + body.readUInt32BE(at + 1);
    const content = body.subarray(at + 5, end);
    if (((body[at] ?? 0) & 0x80) !== 0) trailers = trailerParse(content);
    else message = content;
    at = end;
  }
  return { message, trailers };
}

function parsedOrUndefined(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
