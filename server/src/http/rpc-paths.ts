import type { DescMessage } from "@bufbuild/protobuf";
import { Code, ConnectError, type ContextValues } from "@connectrpc/connect";
import {
  compressedFlag,
  createAsyncIterable,
  type EnvelopedMessage,
  pipe,
  transformJoinEnvelopes,
  transformSplitEnvelope,
  type UniversalHandler,
  type UniversalServerRequest,
} from "@connectrpc/connect/protocol";
import { compressionGzip, universalRequestFromNodeRequest } from "@connectrpc/connect-node";
import { AuthError } from "../domain/errors.ts";
import { parseBinaryMessage } from "../rpc/binary-message.ts";
import { edgeKey } from "../rpc/edge.ts";
import { toConnectError } from "../rpc/errors.ts";
import { parseJsonText } from "../rpc/json-text.ts";
import type { ServedRpc } from "../rpc/procedures.ts";
import { callWithProtocolErrors } from "../rpc/protocol-errors.ts";
import { isSealable } from "../rpc/sealing.ts";
import type { Bodies } from "./body.ts";
import { type HttpRequest, type HttpResponse, headerOf, isJson, mediaTypeOf } from "./messages.ts";
import { sendAnswer } from "./rpc-answer.ts";
import { errorFormOf, unaryFormOf } from "./unary-forms.ts";
import { serveUnary } from "./unary-rpc.ts";

/**
 * Serves Connect, gRPC and gRPC-Web on an RPC's own path.
 * @throws AuthError for a request that is of none of the protocols.
 */
export async function serveRpc(
  request: HttpRequest,
  response: HttpResponse,
  call: { rpc: ServedRpc; path: string; contextValues: ContextValues; bodies: Bodies; bodyLimitBytes: number },
): Promise<void> {
  const { rpc, path, contextValues, bodies, bodyLimitBytes } = call;
  const { handler, callUnary, admit } = rpc;
  refuseUnreadable(request, handler);
  const form = request.method === "POST" ? unaryFormOf(request) : undefined;
  if (callUnary !== undefined && form !== undefined) {
    const { method } = handler;
    return serveUnary(request, response, {
      method,
      callUnary,
      admit,
      form,
      path,
      contextValues,
      bodies,
      bodyLimitBytes,
    });
  }
  const edge = contextValues.get(edgeKey);
  const universal = universalRequestFromNodeRequest(request, response, undefined, contextValues);
  const answer = await admit(handler.method, edge)
    .then(() =>
      checkedRequest(request, universal, {
        input: handler.method.input,
        bodies,
        ip: edge.client.ip,
        limit: bodyLimitBytes,
      }),
    )
    .then((checked) => callWithProtocolErrors(handler, checked, () => edge.reached))
    .catch((error: unknown) => {
      if (error instanceof AuthError) return errorFormOf(request).errorAnswer(toConnectError(error));
      throw error;
    });
  await sendAnswer(request, response, answer);
}

function refuseUnreadable(request: HttpRequest, handler: UniversalHandler): void {
  if (!handler.allowedMethods.includes(request.method ?? "")) throw new AuthError("method_not_allowed");
  if (request.method === "GET") return;
  const type = headerOf(request, "content-type") ?? "";
  const needsHttp2 = handler.method.methodKind === "bidi_streaming" || /^application\/grpc(\+|;|$)/i.test(type);
  const isSpoken = handler.supportedContentType(type) || (isJson(request) && handler.method.methodKind === "unary");
  if (!isSpoken || (needsHttp2 && request.httpVersionMajor === 1)) throw new AuthError("invalid_request");
}

type Reading = { input: DescMessage; bodies: Bodies; ip: string; limit: number };

/** The rules that messages of both codecs are held to, whatever they are wrapped in. @throws AuthError `invalid_request` */
function checkMessage({ input }: Pick<Reading, "input">, isJsonText: boolean, bytes: Uint8Array): void {
  if (isJsonText) parseJsonText(bytes, { sealable: isSealable(input) });
  else parseBinaryMessage(input, bytes);
}

/** What Connect's handlers read is held to the rules of all other calls before they do. */
async function checkedRequest(
  request: HttpRequest,
  universal: UniversalServerRequest,
  reading: Reading,
): Promise<UniversalServerRequest> {
  if (request.method === "GET") {
    await checkQuery(universal.url, reading);
    return universal;
  }
  if (isJson(request)) {
    refuseOtherVersion(headerOf(request, "connect-protocol-version"), "1");
    return checkUnary(request, universal, { ...reading, type: "application/json" });
  }
  const type = mediaTypeOf(request);
  if (type === "application/proto") {
    refuseOtherVersion(headerOf(request, "connect-protocol-version"), "1");
    return checkUnary(request, universal, { ...reading, type });
  }
  return { ...universal, body: checkFrames(reading.bodies.pass(request, reading.ip), type.endsWith("+json"), reading) };
}

/** A unary Connect call, decompressed. */
async function checkUnary(
  request: HttpRequest,
  universal: UniversalServerRequest,
  { input, bodies, ip, limit, type }: Reading & { type: string },
): Promise<UniversalServerRequest> {
  const sent = await bodies.read(request, { limit, ip });
  const bytes = await decompress(sent, { encoding: headerOf(request, "content-encoding"), limit });
  checkMessage({ input }, type === "application/json", bytes);
  const header = new Headers(universal.header);
  header.set("content-type", type);
  header.delete("content-encoding");
  header.delete("content-length");
  return { ...universal, header, body: createAsyncIterable([bytes]) };
}

/** A unary Connect call by GET: the message stands in the query. */
async function checkQuery(url: string, { input, limit }: Reading): Promise<void> {
  const query = new URL(url).searchParams;
  refuseOtherVersion(query.get("connect"), "v1");
  const message = query.get("message") ?? "";
  const sent = query.get("base64") === "1" ? Buffer.from(message, "base64url") : Buffer.from(message, "utf8");
  const encoding = query.get("compression") ?? undefined;
  checkMessage({ input }, query.get("encoding") === "json", await decompress(sent, { encoding, limit }));
}

/** The frames of gRPC, gRPC-Web and Connect's streams. */
function checkFrames(
  body: AsyncIterable<Uint8Array>,
  isJsonText: boolean,
  { input, limit }: Reading,
): AsyncIterable<Uint8Array> {
  async function* check(frames: AsyncIterable<EnvelopedMessage>): AsyncIterable<EnvelopedMessage> {
    for await (const frame of frames) {
      const encoding = (frame.flags & compressedFlag) === 0 ? undefined : compressionGzip.name;
      await decompress(frame.data, { encoding, limit })
        .then((bytes) => checkMessage({ input }, isJsonText, bytes))
        .catch(throwInStream);
      yield frame;
    }
  }
  return pipe(body, transformSplitEnvelope(limit), check, transformJoinEnvelopes());
}

/** What reads the frames tells a `ConnectError` by its code, and anything else for a fault of the server. */
function throwInStream(error: unknown): never {
  throw error instanceof AuthError ? toConnectError(error) : error;
}

type Compressed = { encoding: string | undefined; limit: number };

/** @throws AuthError `payload_too_large` as soon as the limit is passed; `invalid_request` for an encoding that is not spoken. */
async function decompress(bytes: Uint8Array, { encoding = "identity", limit }: Compressed): Promise<Uint8Array> {
  if (encoding === "identity") return bytes;
  if (encoding !== compressionGzip.name) throw new AuthError("invalid_request");
  try {
    return await compressionGzip.decompress(bytes, limit);
  } catch (error) {
    throw new AuthError(isTooLarge(error) ? "payload_too_large" : "invalid_request");
  }
}

function isTooLarge(error: unknown): boolean {
  return error instanceof ConnectError && error.code === Code.ResourceExhausted;
}

function refuseOtherVersion(sent: string | null | undefined, spoken: string): void {
  if (sent !== undefined && sent !== null && sent !== spoken) throw new AuthError("invalid_request");
}
