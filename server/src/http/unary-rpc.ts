import type { DescMethod, Message } from "@bufbuild/protobuf";
import { ConnectError, type ContextValues } from "@connectrpc/connect";
import { AuthError } from "../domain/errors.ts";
import type { Admit } from "../rpc/admission.ts";
import { edgeKey } from "../rpc/edge.ts";
import { toConnectError } from "../rpc/errors.ts";
import type { CallUnary, UnaryAnswer } from "../rpc/procedures.ts";
import type { Bodies } from "./body.ts";
import { callSignal } from "./call-signal.ts";
import { type HttpRequest, type HttpResponse, isGone, toHeaders } from "./messages.ts";
import { sendAnswer } from "./rpc-answer.ts";
import type { UnaryForm } from "./unary-forms.ts";

export type UnaryExchange = {
  method: DescMethod;
  callUnary: CallUnary;
  admit: Admit;
  form: UnaryForm;
  path: string;
  contextValues: ContextValues;
  bodies: Bodies;
  bodyLimitBytes: number;
};

/**
 * Serves a unary call straight from its bytes: nearly every call there is. Connect's handlers would read it through a chain of
 * asynchronous iterators and three abort signals, at more than twice the price.
 */
export async function serveUnary(request: HttpRequest, response: HttpResponse, exchange: UnaryExchange): Promise<void> {
  const { method, form } = exchange;
  let answer: UnaryAnswer;
  try {
    answer = await call(request, response, exchange);
  } catch (error) {
    await sendAnswer(request, response, form.errorAnswer(connectErrorOf(error)));
    return;
  }
  if (!isGone(response)) form.respond(response, answer.header, { method, message: answer.message });
}

async function call(request: HttpRequest, response: HttpResponse, exchange: UnaryExchange): Promise<UnaryAnswer> {
  const { method, callUnary, admit, form, path, contextValues, bodies, bodyLimitBytes } = exchange;
  const timeoutMs = form.readTimeout(request);
  const edge = contextValues.get(edgeKey);
  await admit(method, edge);
  const body = await bodies.read(request, { limit: bodyLimitBytes + form.overhead, ip: edge.client.ip });
  return callUnary({
    message: parse(exchange, body),
    url: `http://localhost${path}`,
    httpMethod: "POST",
    protocolName: form.protocolName,
    header: toHeaders(request),
    contextValues,
    signal: callSignal(response, timeoutMs),
    timeoutMs,
  });
}

/** What a parser says of bytes that are no message is not for the caller. */
function parse({ form, method, bodyLimitBytes }: UnaryExchange, body: Uint8Array): Message {
  try {
    return form.parse(method, body, bodyLimitBytes);
  } catch (error) {
    throw error instanceof AuthError ? error : new AuthError("invalid_request");
  }
}

/** Anything else than the closed set of errors is for the server's log. */
function connectErrorOf(error: unknown): ConnectError {
  if (error instanceof ConnectError) return error;
  if (error instanceof AuthError) return toConnectError(error);
  throw error;
}
