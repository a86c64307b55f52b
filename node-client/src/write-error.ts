import type { ServerResponse } from "node:http";
import { errorBody, toPublicError } from "./public-error.ts";

/** Answers with the contract's error, where nothing was answered yet. */
export function writeError(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const failure = toPublicError(error);
  const body = Buffer.from(JSON.stringify(errorBody(failure)));
  response.statusCode = failure.response.httpStatus;
  for (const [name, value] of Object.entries(failure.headers)) response.setHeader(name, value);
  // What is left of a body that is too large is not read: nothing else can come over this connection.
  if (failure.code === "payload_too_large") response.setHeader("Connection", "close");
  response.setHeader("Content-Type", "application/json; charset=utf-8");
  response.setHeader("Content-Length", body.length);
  response.end(body);
}
