import {
  create,
  type DescMethodUnary,
  fromJson,
  type JsonObject,
  type JsonValue,
  type Message,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type ContextValues } from "@connectrpc/connect";
import { AuthError } from "../domain/errors.ts";
import { type BoundFields, bindFields } from "../rpc/bound-fields.ts";
import { toContractJson } from "../rpc/contract-json.ts";
import { edgeKey } from "../rpc/edge.ts";
import { parseJsonText } from "../rpc/json-text.ts";
import type { Policies } from "../rpc/policies.ts";
import type { Procedures } from "../rpc/procedures.ts";
import { isSealable, isSealed } from "../rpc/sealing.ts";
import type { Bodies } from "./body.ts";
import { callSignal } from "./call-signal.ts";
import type { HttpRoute } from "./http-rules.ts";
import { type HttpRequest, type HttpResponse, headerOf, isJson, toHeaders } from "./messages.ts";
import { isNotModified } from "./not-modified.ts";
import { readQuery } from "./query.ts";
import { respond, respondError } from "./respond.ts";

export type RestOptions = { procedures: Procedures; policies: Policies; bodies: Bodies; bodyLimitBytes: number };
export type RestHandler = (
  request: HttpRequest,
  response: HttpResponse,
  call: { route: HttpRoute; variables: BoundFields; contextValues: ContextValues },
) => Promise<void>;

/** Serves the plain HTTP/JSON routes: reads JSON in, calls the RPC, writes JSON with the proto's field names out. */
export function createRestHandler(options: RestOptions): RestHandler {
  const { procedures, policies, bodies, bodyLimitBytes } = options;
  return async (request, response, { route, variables, contextValues }) => {
    const { method } = route;
    try {
      const edge = contextValues.get(edgeKey);
      await procedures.admit(method, edge);
      const read = () => bodies.read(request, { limit: bodyLimitBytes, ip: edge.client.ip });
      const message = await readMessage(request, route, read);
      // What is sealed is bound to the whole address, and gets its fields when it is opened.
      if (isSealed(method.input, message)) edge.boundFields = variables;
      else bindFields(method.input, message, variables);
      const answer = await procedures.unary(method)({
        message,
        contextValues,
        url: `http://localhost${route.path}`,
        httpMethod: route.verb,
        protocolName: "http",
        header: toHeaders(request),
        signal: callSignal(response, undefined),
        timeoutMs: undefined,
      });
      respondMessage(request, response, { method, ...answer, status: policies.of(method).successStatus });
    } catch (error) {
      respondError(request, response, toAuthError(error));
    }
  };
}

async function readMessage(request: HttpRequest, route: HttpRoute, read: () => Promise<Buffer>): Promise<Message> {
  const { input } = route.method;
  if (!route.hasBody) return fromJson(input, readQuery(request.url ?? "", route.query));
  const isTyped = headerOf(request, "content-type") !== undefined;
  if (isTyped && !isJson(request)) throw new AuthError("invalid_request", { message: JSON_ONLY });
  if ((headerOf(request, "content-encoding") ?? "identity") !== "identity") throw new AuthError("invalid_request");
  const body = await read();
  // A POST without a body has no content type either: a message without fields.
  if (!isTyped && body.length === 0) return create(input);
  if (!isTyped) throw new AuthError("invalid_request", { message: JSON_ONLY });
  const json = parseJsonText(body, { sealable: isSealable(input) });
  try {
    return fromJson(input, json as JsonValue, { ignoreUnknownFields: true });
  } catch {
    throw new AuthError("invalid_request");
  }
}

const JSON_ONLY = "Send the body as Content-Type: application/json.";

/** The interceptors let out `ConnectError`s that carry the error of the contract. What is none is for the server's log. */
function toAuthError(error: unknown): AuthError {
  const known = error instanceof ConnectError ? (error.cause ?? error) : error;
  if (known instanceof AuthError) return known;
  // Nobody waits for the answer to it.
  if (known instanceof ConnectError && known.code === Code.Canceled) return new AuthError("invalid_request");
  throw error;
}

type MessageAnswer = { method: DescMethodUnary; message: Message; header: Headers; status: number };

function respondMessage(request: HttpRequest, response: HttpResponse, answer: MessageAnswer): void {
  const headers: Record<string, string> = { "content-type": "application/json" };
  for (const [name, value] of answer.header) if (name !== "set-cookie") headers[name] = value;
  const cookies = answer.header.getSetCookie();
  if (cookies.length > 0) response.setHeader("set-cookie", cookies);
  if (isNotModified(request, headers["etag"])) {
    response.writeHead(304, headers);
    response.end();
    return;
  }
  respond(response, answer.status, headers, JSON.stringify(toRestJson(answer.method, answer.message)));
}

/** Proto field names, except where the contract names the JSON member itself (`__front_enc__`). */
function toRestJson(method: DescMethodUnary, message: Message): JsonObject {
  const json = toContractJson(method.output, message);
  const { front_enc: front, session_enc: session, ...plain } = json;
  // A sealed answer is its envelope and nothing else.
  if (front !== undefined) return { __front_enc__: front };
  return session === undefined ? plain : { __session_enc__: session };
}
