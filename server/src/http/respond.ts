import type { Writable } from "node:stream";
import type { AuthError } from "../domain/errors.ts";
import { errorHeaders, publicMessage, RESPONSES } from "../rpc/errors.ts";
import type { HttpRequest, HttpResponse } from "./messages.ts";

/** Ends a response with JSON. */
export function respondJson(response: HttpResponse, status: number, json: string): void {
  respond(response, status, { "content-type": "application/json" }, json);
}

/** Ends a response with the contract's error: `{"error":{"code","message"}}` and never anything more. */
export function respondError(request: HttpRequest, response: HttpResponse, error: AuthError): void {
  for (const [name, value] of Object.entries(errorHeaders(error))) response.setHeader(name, value);
  const body = JSON.stringify({ error: { code: error.reason, message: publicMessage(error) } });
  if (!closesAfterUnreadBody(request, response)) {
    respondJson(response, RESPONSES[error.reason].httpStatus, body);
    return;
  }
  response.statusCode = RESPONSES[error.reason].httpStatus;
  response.setHeader("content-type", "application/json");
  response.setHeader("content-length", Buffer.byteLength(body));
  write(response, body);
  endAfterBody(request, response);
}

/** A body that nobody reads would be taken for the next request of the connection: it is the last one then. */
export function closesAfterUnreadBody(request: HttpRequest, response: HttpResponse): boolean {
  if (request.complete || request.destroyed) return false;
  if (request.httpVersionMajor === 1) response.setHeader("connection", "close");
  return true;
}

/** False when the client is slower than the server: wait for `drain` or `close`. */
export function write(response: Writable, chunk: Uint8Array | string): boolean {
  return response.write(chunk);
}

/** What a client may take to read the answer while it still sends. */
const LINGER_MS = 1_000;

/**
 * Ends a response whose request nobody reads to its end. The rest is read away, and the end waits for it a moment: to close on
 * bytes that were not read resets the connection, and a reset may overtake the answer.
 */
export function endAfterBody(request: HttpRequest, response: HttpResponse): void {
  request.on("error", () => undefined);
  request.resume();
  if (request.complete || request.destroyed || request.httpVersionMajor > 1) {
    response.end();
    return;
  }
  const end = () => {
    clearTimeout(timer);
    response.end();
  };
  const timer = setTimeout(end, LINGER_MS);
  request.once("close", end);
}

export function respond(
  response: HttpResponse,
  status: number,
  headers: Record<string, string | string[]>,
  body: string | Uint8Array,
): void {
  response.statusCode = status;
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.setHeader("content-length", Buffer.byteLength(body));
  // As text: Node then writes it in one piece with the headers.
  response.end(body);
}
