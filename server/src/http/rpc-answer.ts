import type { RpcAnswer } from "../rpc/protocol-errors.ts";
import { fromHeaders, type HttpRequest, type HttpResponse, isGone } from "./messages.ts";
import { closesAfterUnreadBody, endAfterBody, write } from "./respond.ts";

/**
 * Writes an answer of Connect. Resolves when all of it is handed over, or when the client has gone away: an answer that
 * nobody waits for is no failure.
 */
export async function sendAnswer(request: HttpRequest, response: HttpResponse, answer: RpcAnswer): Promise<void> {
  for await (const chunk of answer.body ?? []) {
    if (isGone(response)) return;
    begin(request, response, answer);
    if (!write(response, chunk)) await roomToWrite(response);
  }
  if (isGone(response)) return;
  begin(request, response, answer);
  if (answer.trailer !== undefined) response.addTrailers(fromHeaders(answer.trailer));
  endAfterBody(request, response);
}

/** After the first chunk at the earliest: until then the call may still set headers. */
function begin(request: HttpRequest, response: HttpResponse, answer: RpcAnswer): void {
  if (response.headersSent) return;
  closesAfterUnreadBody(request, response);
  response.writeHead(answer.status, answer.header === undefined ? {} : fromHeaders(answer.header));
}

function roomToWrite(response: HttpResponse): Promise<void> {
  return new Promise((resolve) => {
    const settle = () => {
      response.off("drain", settle).off("close", settle);
      resolve();
    };
    response.on("drain", settle).on("close", settle);
    if (isGone(response)) settle();
  });
}
