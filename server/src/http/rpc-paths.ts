import type { JsonValue } from "@bufbuild/protobuf";
import type { ContextValues } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import { AuthError } from "../domain/errors.ts";
import { edgeKey } from "../rpc/edge.ts";
import { callWithProtocolErrors } from "../rpc/protocol-errors.ts";
import { readBody } from "./body.ts";
import { parseJsonText } from "./json-text.ts";
import { type HttpRequest, type HttpResponse, headerOf, mediaTypeOf } from "./messages.ts";
import { closeAfterUnreadBody } from "./respond.ts";

/**
 * Serves Connect, gRPC and gRPC-Web on an RPC's own path.
 * @throws AuthError for a request that none of the protocols could read at all.
 */
export async function serveRpc(
  request: HttpRequest,
  response: HttpResponse,
  call: { handler: UniversalHandler; contextValues: ContextValues; bodyLimitBytes: number },
): Promise<void> {
  const { handler, contextValues, bodyLimitBytes } = call;
  refuseUnreadable(request, handler);
  // `undefined` stands for a body that is still to be read.
  const json = isPlainJson(request) ? parseJsonText(await readBody(request, bodyLimitBytes)) : undefined;
  const universal = universalRequestFromNodeRequest(request, response, json as JsonValue | undefined, contextValues);
  const answer = await callWithProtocolErrors(handler, universal, () => contextValues.get(edgeKey).reached);
  closeAfterUnreadBody(request, response);
  await universalResponseToNodeResponse(answer, response);
}

function refuseUnreadable(request: HttpRequest, handler: UniversalHandler): void {
  if (!handler.allowedMethods.includes(request.method ?? "")) throw new AuthError("method_not_allowed");
  if (request.method === "GET") return;
  const type = headerOf(request, "content-type") ?? "";
  const needsHttp2 = handler.method.methodKind === "bidi_streaming" || /^application\/grpc(\+|;|$)/.test(type);
  if (!handler.supportedContentType(type) || (needsHttp2 && request.httpVersionMajor === 1)) {
    throw new AuthError("invalid_request");
  }
}

/** A unary Connect call in JSON is read here, under the same rules as a body of the plain routes. */
function isPlainJson(request: HttpRequest): boolean {
  return (
    request.method === "POST" &&
    mediaTypeOf(request) === "application/json" &&
    (headerOf(request, "content-encoding") ?? "identity") === "identity"
  );
}
