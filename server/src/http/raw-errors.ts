import { type ServerResponse, STATUS_CODES } from "node:http";
import type { Http2ServerResponse } from "node:http2";
import { RESPONSES } from "../rpc/errors.ts";
import { SECURITY_HEADERS } from "./security-headers.ts";

/** The failures that happen where no route is known yet. */
export type RawErrorCode = "invalid_request" | "payload_too_large" | "internal";

export const REQUEST_ID_HEADER = "x-request-id";

/** `{"error":{"code","message"}}`, the only body an error has. */
function errorBody(code: RawErrorCode): string {
  return JSON.stringify({ error: { code, message: RESPONSES[code].message } });
}

/** A whole HTTP/1.1 response, for a socket on which no response object exists. Its connection must be closed after it. */
export function rawErrorResponse(code: RawErrorCode): string {
  const body = errorBody(code);
  const status = RESPONSES[code].httpStatus;
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    "Content-Type: application/json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    `Date: ${new Date(performance.timeOrigin + performance.now()).toUTCString()}`,
    ...SECURITY_HEADERS.map(([name, value]) => `${name}: ${value}`),
    "Connection: close",
    "",
    body,
  ].join("\r\n");
}

/**
 * Answers with the error and nothing a listener may have prepared but the request's id. Does nothing once headers are sent.
 * On HTTP/1 the connection closes after it: the rest of an unread body would otherwise be taken for the next request.
 */
export function sendRawError(res: ServerResponse | Http2ServerResponse, code: RawErrorCode): void {
  if (res.headersSent || res.writableEnded) return;
  for (const name of res.getHeaderNames()) if (name !== REQUEST_ID_HEADER) res.removeHeader(name);
  for (const [name, value] of SECURITY_HEADERS) res.setHeader(name, value);
  const body = errorBody(code);
  res.statusCode = RESPONSES[code].httpStatus;
  res.setHeader("content-type", "application/json");
  res.setHeader("content-length", Buffer.byteLength(body));
  if ("shouldKeepAlive" in res) res.setHeader("connection", "close");
  res.end(body);
}
