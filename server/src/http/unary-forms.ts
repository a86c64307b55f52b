import { type DescMethod, fromJson, type JsonValue, type Message, toBinary, toJsonString } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import { createAsyncIterable, encodeEnvelope } from "@connectrpc/connect/protocol";
import { parseTimeout as parseConnectTimeout } from "@connectrpc/connect/protocol-connect";
import { grpcStatusOk, parseTimeout as parseGrpcTimeout, setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { trailerFlag, trailerSerialize } from "@connectrpc/connect/protocol-grpc-web";
import { AuthError } from "../domain/errors.ts";
import { parseBinaryMessage } from "../rpc/binary-message.ts";
import { parseJsonText } from "../rpc/json-text.ts";
import { connectErrorAnswer, type RpcAnswer } from "../rpc/protocol-errors.ts";
import { isSealable } from "../rpc/sealing.ts";
import { fromHeaders, type HttpRequest, type HttpResponse, headerOf, isJson } from "./messages.ts";
import { respond } from "./respond.ts";

/** How one protocol carries a unary call whose message comes whole and is not compressed. */
export type UnaryForm = {
  protocolName: string;
  contentType: string;
  /** How much longer than its message a body is, in bytes. */
  overhead: number;
  /** Milliseconds until the caller's deadline. @throws AuthError `invalid_request` */
  readTimeout(request: HttpRequest): number | undefined;
  /** @throws whatever for bytes that are no such message. */
  parse(method: DescMethod, body: Uint8Array, limit: number): Message;
  respond(response: HttpResponse, headers: Headers, content: { method: DescMethod; message: Message }): void;
  errorAnswer(error: ConnectError): RpcAnswer;
};

/** Flags of one byte, a length of four. */
const FRAME_HEADER_BYTES = 5;

const connectJson: UnaryForm = {
  protocolName: "connect",
  contentType: "application/json",
  overhead: 0,
  readTimeout: readConnectTimeout,
  parse: (method, body) =>
    fromJson(method.input, parseJsonText(body, { sealable: isSealable(method.input) }) as JsonValue, {
      ignoreUnknownFields: true,
    }),
  respond(response, headers, { method, message }) {
    respond(
      response,
      200,
      { ...fromHeaders(headers), "content-type": this.contentType },
      toJsonString(method.output, message),
    );
  },
  errorAnswer: connectErrorAnswer,
};

const connectProto: UnaryForm = {
  ...connectJson,
  contentType: "application/proto",
  parse: (method, body) => parseBinaryMessage(method.input, body),
  respond(response, headers, { method, message }) {
    respond(
      response,
      200,
      { ...fromHeaders(headers), "content-type": this.contentType },
      toBinary(method.output, message),
    );
  },
};

const grpc: UnaryForm = {
  protocolName: "grpc",
  contentType: "application/grpc+proto",
  overhead: FRAME_HEADER_BYTES,
  readTimeout: (request) => valid(parseGrpcTimeout(headerOf(request, "grpc-timeout") ?? null, Number.MAX_SAFE_INTEGER)),
  parse: (method, body, limit) => parseBinaryMessage(method.input, unframe(body, limit)),
  respond(response, headers, { method, message }) {
    response.writeHead(200, { ...fromHeaders(headers), "content-type": this.contentType });
    response.addTrailers({ "grpc-status": grpcStatusOk });
    response.end(encodeEnvelope(0, toBinary(method.output, message)));
  },
  errorAnswer(error) {
    return { status: 200, header: new Headers({ "content-type": this.contentType }), trailer: trailerOf(error) };
  },
};

/** gRPC-Web has its trailer in the body, behind the message, in a frame with a flag of its own. */
const grpcWeb: UnaryForm = {
  ...grpc,
  protocolName: "grpc-web",
  contentType: "application/grpc-web+proto",
  respond(response, headers, { method, message }) {
    const body = Buffer.concat([encodeEnvelope(0, toBinary(method.output, message)), GRPC_WEB_OK]);
    respond(response, 200, { ...fromHeaders(headers), "content-type": this.contentType }, body);
  },
  errorAnswer(error) {
    const body = encodeEnvelope(trailerFlag, trailerSerialize(trailerOf(error)));
    return {
      status: 200,
      header: new Headers({ "content-type": this.contentType }),
      body: createAsyncIterable([body]),
    };
  },
};
const GRPC_WEB_OK = encodeEnvelope(trailerFlag, trailerSerialize(new Headers({ "grpc-status": grpcStatusOk })));

const FORMS = new Map([
  ["application/grpc", grpc],
  ["application/grpc+proto", grpc],
  ["application/grpc-web", grpcWeb],
  ["application/grpc-web+proto", grpcWeb],
  ["application/proto", connectProto],
]);

/** The form of a POST; undefined for the rarer ones, which Connect's own handlers read: compressed, streaming, gRPC in JSON. */
export function unaryFormOf(request: HttpRequest): UnaryForm | undefined {
  if (ENCODING_HEADERS.some((name) => (headerOf(request, name) ?? "identity") !== "identity")) return undefined;
  return FORMS.get(headerOf(request, "content-type") ?? "") ?? (isJson(request) ? connectJson : undefined);
}

/** The form in which a call is told that it failed before Connect's handlers saw it. */
export function errorFormOf(request: HttpRequest): UnaryForm {
  const type = headerOf(request, "content-type") ?? "";
  if (/^application\/grpc-web/i.test(type)) return grpcWeb;
  return /^application\/grpc/i.test(type) ? grpc : connectJson;
}

const ENCODING_HEADERS = ["content-encoding", "grpc-encoding"];

function readConnectTimeout(request: HttpRequest): number | undefined {
  if ((headerOf(request, "connect-protocol-version") ?? "1") !== "1") throw new AuthError("invalid_request");
  return valid(parseConnectTimeout(headerOf(request, "connect-timeout-ms") ?? null, Number.MAX_SAFE_INTEGER));
}

function valid(timeout: { timeoutMs?: number; error?: ConnectError | undefined }): number | undefined {
  if (timeout.error !== undefined) throw new AuthError("invalid_request");
  return timeout.timeoutMs;
}

function trailerOf(error: ConnectError): Headers {
  const trailer = new Headers();
  setTrailerStatus(trailer, error);
  return trailer;
}

/** The one message of a unary call, which is not compressed. */
function unframe(body: Uint8Array, limit: number): Uint8Array {
  if (body.length < FRAME_HEADER_BYTES || body[0] !== 0) throw new AuthError("invalid_request");
  const length = new DataView(body.buffer, body.byteOffset).getUint32(1);
  if (length > limit) throw new AuthError("payload_too_large");
  if (length !== body.length - FRAME_HEADER_BYTES) throw new AuthError("invalid_request");
  return body.subarray(FRAME_HEADER_BYTES);
}
