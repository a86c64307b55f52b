import type { OutgoingHttpHeader, OutgoingHttpHeaders, ServerResponse } from "node:http";
import { AuthError } from "./errors.ts";
import type { SealedJson } from "./sealed-body.ts";
import { unsealedAnswer } from "./unsealed-answer.ts";
import { writeError } from "./write-error.ts";

export type SealResponse = { sealText(json: Uint8Array): Promise<SealedJson>; onProblem(error: unknown): void };

/**
 * Makes a response hold back what is written to it until it ends, and send it sealed then, whatever framework writes it. An answer
 * without a body is sealed as `null`. Errors (400 and more) and redirects go in clear; what is not JSON does not go at all.
 */
export function sealResponse(response: ServerResponse, { sealText, onProblem }: SealResponse): void {
  const chunks: Buffer[] = [];
  let ended = false;

  const keep = (chunk: unknown, encoding: unknown) => {
    if (typeof chunk === "string") chunks.push(Buffer.from(chunk, toEncoding(encoding)));
    else if (chunk instanceof Uint8Array) chunks.push(Buffer.from(chunk));
  };
  const held = {
    writeHead(status: number, ...rest: unknown[]) {
      if (ended) return response;
      response.statusCode = status;
      for (const part of rest) {
        if (typeof part === "string") response.statusMessage = part;
        else for (const [name, value] of headerPairs(part)) response.setHeader(name, value);
      }
      return response;
    },
    flushHeaders() {},
    write(chunk: unknown, ...rest: unknown[]) {
      if (!ended) keep(chunk, rest[0]);
      callLast(rest);
      return true;
    },
    end(...parts: unknown[]) {
      if (ended) return response;
      ended = true;
      keep(parts[0], parts[1]);
      void send().then(() => callLast(parts));
      return response;
    },
  };
  /** To the framework the response is over as soon as it ended it. */
  const isOver = { configurable: true, get: () => ended };
  Object.assign(response, held);
  Object.defineProperties(response, { writableEnded: isOver, headersSent: isOver });

  async function send(): Promise<void> {
    const body = Buffer.concat(chunks);
    try {
      const sealed = goesInClear(response) ? undefined : await seal(body);
      release();
      if (sealed !== undefined) setJson(response, sealed);
      response.end(sealed ?? body);
    } catch (error) {
      release();
      onProblem(error);
      for (const name of ["etag", "content-encoding", "transfer-encoding"]) response.removeHeader(name);
      writeError(response, unsealedAnswer());
    }
  }

  async function seal(body: Buffer): Promise<Buffer> {
    if (body.length > 0 && !isPlainJson(response)) {
      throw new AuthError("internal", { message: "The answer to a sealed request must be JSON." });
    }
    return Buffer.from(JSON.stringify(await sealText(body.length === 0 ? Buffer.from("null") : body)));
  }

  function release(): void {
    for (const name of [...Object.keys(held), "writableEnded", "headersSent"]) Reflect.deleteProperty(response, name);
  }
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
