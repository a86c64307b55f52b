import { Code, type ConnectError } from "@connectrpc/connect";
import {
  createAsyncIterable,
  encodeEnvelope,
  type UniversalHandler,
  type UniversalServerRequest,
} from "@connectrpc/connect/protocol";
import {
  codeFromString,
  codeToHttpStatus,
  contentTypeUnaryJson,
  endStreamFlag,
  endStreamFromJson,
  endStreamToJson,
  errorToJsonBytes,
} from "@connectrpc/connect/protocol-connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { trailerFlag, trailerParse, trailerSerialize } from "@connectrpc/connect/protocol-grpc-web";
import { AuthError, type Reason } from "../domain/errors.ts";
import { toConnectError } from "./errors.ts";

/** An answer as Connect's handlers give it. */
export type RpcAnswer = Awaited<ReturnType<UniversalHandler>>;
type Family = "unary" | "connect-stream" | "grpc-web" | "grpc";

/** A frame: one byte of flags, four of length. */
const FRAME_HEADER_BYTES = 5;

/**
 * Calls a handler of Connect and puts the contract's error in the place of those that the protocol itself made before a call
 * reached us: a body that does not parse, is too large, or has an unknown encoding. Theirs hold the parser's words and,
 * for malformed protobuf, blame the server.
 */
export async function callWithProtocolErrors(
  handler: UniversalHandler,
  request: UniversalServerRequest,
  wasReached: () => boolean,
): Promise<RpcAnswer> {
  const answer = await handler(request);
  const family = familyOf(request);
  if (family === "unary") {
    return answer.status === 200 || wasReached()
      ? answer
      : connectErrorAnswer(toConnectError(await replacementOf(answer)));
  }
  const { body, trailer } = answer;
  if (answer.status !== 200) return connectErrorAnswer(toConnectError(replacement(undefined)));
  if (body === undefined) return answer;
  return { ...answer, body: replaceStreamed(body, { family, trailer, wasReached }) };
}

function familyOf(request: UniversalServerRequest): Family {
  const type = (request.header.get("content-type") ?? "").toLowerCase();
  if (type.startsWith("application/grpc-web")) return "grpc-web";
  if (type.startsWith("application/grpc")) return "grpc";
  return type.startsWith("application/connect+") ? "connect-stream" : "unary";
}

/** An error as a unary call of Connect has it. */
export function connectErrorAnswer(error: ConnectError): RpcAnswer {
  const body = errorToJsonBytes(error, undefined);
  const header = new Headers(error.metadata);
  header.set("content-type", contentTypeUnaryJson);
  header.set("content-length", String(body.byteLength));
  return { status: codeToHttpStatus(error.code), header, body: createAsyncIterable([body]) };
}

/** Without a body it is a refusal by HTTP status alone. */
async function replacementOf(answer: RpcAnswer): Promise<AuthError> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of answer.body ?? []) chunks.push(chunk);
  if (chunks.length === 0) return replacement(undefined);
  const { code } = JSON.parse(Buffer.concat(chunks).toString("utf8")) as { code: Parameters<typeof codeFromString>[0] };
  return replacement(codeFromString(code));
}

async function* replaceStreamed(
  body: AsyncIterable<Uint8Array>,
  context: { family: Family; trailer: Headers | undefined; wasReached: () => boolean },
): AsyncIterable<Uint8Array> {
  const { family, trailer, wasReached } = context;
  for await (const chunk of body) yield wasReached() ? chunk : replaceFrame(family, chunk);
  if (family !== "grpc" || wasReached() || trailer === undefined) return;
  const status = Number(trailer.get("grpc-status"));
  if (status !== 0) setTrailerStatus(trailer, toConnectError(replacement(status)));
}

function replaceFrame(family: Family, frame: Uint8Array): Uint8Array {
  const flags = frame[0] ?? 0;
  const content = frame.subarray(FRAME_HEADER_BYTES);
  if (family === "grpc-web" && (flags & trailerFlag) !== 0) {
    const trailer = trailerParse(content);
    const status = Number(trailer.get("grpc-status"));
    if (status === 0) return frame;
    setTrailerStatus(trailer, toConnectError(replacement(status)));
    return encodeEnvelope(flags, trailerSerialize(trailer));
  }
  if (family === "connect-stream" && (flags & endStreamFlag) !== 0) {
    const { error, metadata } = endStreamFromJson(content);
    if (error === undefined) return frame;
    const replaced = endStreamToJson(metadata, toConnectError(replacement(error.code)), undefined);
    return encodeEnvelope(flags, new TextEncoder().encode(JSON.stringify(replaced)));
  }
  return frame;
}

const REASONS_OF_THE_PROTOCOL = new Map<Code | undefined, Reason>([
  [Code.ResourceExhausted, "payload_too_large"],
  [Code.Unavailable, "unavailable"],
]);

function replacement(code: Code | undefined): AuthError {
  return new AuthError(REASONS_OF_THE_PROTOCOL.get(code) ?? "invalid_request");
}
