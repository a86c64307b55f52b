import type { OutgoingHttpHeader, OutgoingHttpHeaders, ServerResponse } from "node:http";
import { AuthError } from "./errors.ts";
import type { SealedJson } from "./sealed-body.ts";
import { unsealedAnswer } from "./unsealed-answer.ts";
import { writeError } from "./write-error.ts";

export type SealResponse = { sealText(json: Uint8Array): Promise<SealedJson>; onProblem(error: unknown): void };

/**
 * Makes a response hold back what is written to it until it ends, and send it sealed then, whatever framework writes it. An answer
 * without a body is sealed as `null`. Errors (400 and more) and redirects go in clear; what is not JSON does not go at all.
 * What other middleware has put in the place of these functions sees the sealed answer go out.
 */
export function sealResponse(response: ServerResponse, { sealText, onProblem }: SealResponse): void {
  const chunks: Buffer[] = [];
  let ended = false;
  let released = false;

  const keep = (chunk: unknown, encoding: unknown) => {
    if (typeof chunk === "string") chunks.push(Buffer.from(chunk, toEncoding(encoding)));
    else if (chunk instanceof Uint8Array) chunks.push(Buffer.from(chunk));
  };
  const { writeHead, flushHeaders } = response;
  const release = holdBack(response, {
    writeHead(...parts: [number, ...unknown[]]) {
      if (released) return Reflect.apply(writeHead, response, parts);
      if (ended) return response;
      const [status, ...rest] = parts;
      response.statusCode = status;
      for (const part of rest) {
        if (typeof part === "string") response.statusMessage = part;
        else for (const [name, value] of headerPairs(part)) response.setHeader(name, value);
      }
      return response;
    },
    flushHeaders() {
      if (released) flushHeaders.call(response);
    },
    write(chunk: unknown, ...rest: unknown[]) {
      if (!ended) keep(chunk, rest[0]);
      callLast(rest);
      return true;
    },
    end(...parts: unknown[]) {
      if (ended) return response;
      ended = true;
      keep(parts[0], parts[1]);
      send().then(() => callLast(parts), fail);
      return response;
    },
    /** To the framework the response is over as soon as it ended it. */
    get writableEnded() {
      return ended;
    },
    get headersSent() {
      return ended;
    },
  });

  async function send(): Promise<void> {
    const body = Buffer.concat(chunks);
    const sealed = goesInClear(response) ? undefined : await seal(body).catch(unsealedAnswer);
    released = true;
    release();
    if (sealed instanceof AuthError) {
      onProblem(sealed);
      for (const name of ["etag", "content-encoding", "transfer-encoding"]) response.removeHeader(name);
      writeError(response, sealed);
    } else {
      if (sealed !== undefined) setJson(response, sealed);
      response.end(sealed ?? body);
    }
  }

  /** What other middleware put in the way has failed. */
  function fail(error: unknown): void {
    onProblem(error);
    response.destroy();
  }

  async function seal(body: Buffer): Promise<Buffer> {
    if (body.length > 0 && !isPlainJson(response)) {
      throw new AuthError("internal", { message: "The answer to a sealed request must be JSON." });
    }
    return Buffer.from(JSON.stringify(await sealText(body.length === 0 ? Buffer.from("null") : body)));
  }
}

/** Middleware that comes later may have put these into its own: they are called still, and pass on what they get. */
const PASSING_ON = ["writeHead", "flushHeaders"];

/** Puts members in the place of a response's, and returns what puts back those that stood there, its own or inherited. */
function holdBack(response: ServerResponse, members: object): () => void {
  const held = Object.entries(Object.getOwnPropertyDescriptors(members));
  const before = held.map(([name]) => [name, Object.getOwnPropertyDescriptor(response, name)] as const);
  for (const [name, descriptor] of held) Object.defineProperty(response, name, descriptor);
  const isWrapped = (name: string) =>
    Reflect.get(response, name) !== Object.getOwnPropertyDescriptor(members, name)?.value;
  return () => {
    for (const [name, descriptor] of before) {
      if (PASSING_ON.includes(name) && isWrapped(name)) continue;
      if (descriptor === undefined) Reflect.deleteProperty(response, name);
      else Object.defineProperty(response, name, descriptor);
    }
  };
}

function goesInClear({ statusCode }: ServerResponse): boolean {
  return statusCode >= 300;
}

function isPlainJson(response: ServerResponse): boolean {
  const type = String(response.getHeader("content-type") ?? "");
  return /^application\/(json|[\w.+-]+\+json)\s*(;|$)/i.test(type) && !response.hasHeader("content-encoding");
}

/** An ETag is a hash of the clear text; and 204 has no room for the seal. */
function setJson(response: ServerResponse, sealed: Buffer): void {
  for (const name of ["etag", "transfer-encoding"]) response.removeHeader(name);
  if (response.statusCode === 204 || response.statusCode === 205) response.statusCode = 200;
  response.setHeader("Content-Type", "application/json; charset=utf-8");
  response.setHeader("Content-Length", sealed.length);
  response.setHeader("Cache-Control", "no-store");
}

/** As `writeHead` takes them: an object, a list of names and values in turn, or a list of pairs. */
function headerPairs(headers: unknown): [string, string | number | readonly string[]][] {
  if (!Array.isArray(headers)) {
    const entries = Object.entries((headers ?? {}) as OutgoingHttpHeaders);
    return entries.filter((entry): entry is [string, OutgoingHttpHeader] => entry[1] !== undefined);
  }
  if (Array.isArray(headers[0])) return headers;
  return headers.flatMap((name, at) => (at % 2 === 0 ? [[name, headers[at + 1]]] : []));
}

function toEncoding(encoding: unknown): BufferEncoding {
  return typeof encoding === "string" && Buffer.isEncoding(encoding) ? encoding : "utf8";
}

function callLast(parts: unknown[]): void {
  const last = parts.at(-1);
  if (typeof last === "function") last();
}
