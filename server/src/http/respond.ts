import type { AuthError } from "../domain/errors.ts";
import { errorHeaders, publicMessage, RESPONSES } from "../rpc/errors.ts";
import type { HttpRequest, HttpResponse } from "./messages.ts";

/** Ends a response with JSON. */
export function respondJson(response: HttpResponse, status: number, json: string): void {
  respond(response, status, { "content-type": "application/json" }, json);
}

/** Ends a response with the contract's error: `{"error":{"code","message"}}` and never anything more. */
export function respondError(request: HttpRequest, response: HttpResponse, error: AuthError): void {
  closeAfterUnreadBody(request, response);
  for (const [name, value] of Object.entries(errorHeaders(error))) response.setHeader(name, value);
  const body = JSON.stringify({ error: { code: error.reason, message: publicMessage(error) } });
  respondJson(response, RESPONSES[error.reason].httpStatus, body);
}

/** A body that nobody reads would be taken for the next request of the connection: close it instead. */
export function closeAfterUnreadBody(request: HttpRequest, response: HttpResponse): void {
  if (request.httpVersionMajor === 1 && !request.complete) response.setHeader("connection", "close");
}

export function respond(response: HttpResponse, status: number, headers: Record<string, string>, body: string): void {
  response.statusCode = status;
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.setHeader("content-length", Buffer.byteLength(body));
  // As text: Node then writes it in one piece with the headers.
  response.end(body);
}
