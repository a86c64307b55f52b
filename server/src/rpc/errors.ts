import { getOption } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { codeFromString } from "@connectrpc/connect/protocol-connect";
import { ErrorReasonSchema, response } from "@sello/gen/auth/v1/error_reason_pb";
import { ErrorInfoSchema } from "@sello/gen/google/rpc/error_details_pb";
import { AuthError, REASONS, type Reason } from "../domain/errors.ts";

export type ReasonResponse = { httpStatus: number; code: Code; message: string };

/** What a client receives for each reason, as `auth.v1.ErrorReason` declares it. */
export const RESPONSES: Record<Reason, ReasonResponse> = readResponses();

const DOMAIN = "auth";

/** An error as it leaves: an `AuthError` as it is, anything else as `internal` with the cause for the log. */
export function toAuthError(error: unknown): AuthError {
  const known = error instanceof ConnectError ? error.cause : error;
  return known instanceof AuthError ? known : new AuthError("internal", { cause: error });
}

/** The caller's own cancellation or deadline, which is no failure of the call; undefined for any other error. */
export function cancellationOf(error: unknown, signal: AbortSignal): ConnectError | undefined {
  if (error instanceof AuthError || !(signal.aborted && error === signal.reason)) return undefined;
  return error instanceof ConnectError ? error : new ConnectError("The client went away.", Code.Canceled);
}

/** What Connect itself says of a request that it cannot read. Ours carry the error of the contract. */
export function isProtocolError(error: unknown): boolean {
  return error instanceof ConnectError && !(error.cause instanceof AuthError);
}

export function publicMessage(error: AuthError): string {
  return error.publicMessage ?? RESPONSES[error.reason].message;
}

/** The status, details and headers of an error for Connect, gRPC and gRPC-Web. */
export function toConnectError(error: AuthError): ConnectError {
  const info = { desc: ErrorInfoSchema, value: { reason: error.reason, domain: DOMAIN } };
  return new ConnectError(publicMessage(error), RESPONSES[error.reason].code, errorHeaders(error), [info], error);
}

/** The headers that go with an error, whatever the protocol. */
export function errorHeaders(error: AuthError): Record<string, string> {
  const headers: Record<string, string> = {};
  if (error.retryAfterS !== undefined) headers["Retry-After"] = String(Math.max(1, error.retryAfterS));
  if (error.limit !== undefined) {
    headers["RateLimit-Limit"] = String(error.limit.points);
    headers["RateLimit-Remaining"] = String(error.limit.remaining);
    headers["RateLimit-Reset"] = headers["Retry-After"] ?? "1";
  }
  if (error.reason === "token_missing") headers["WWW-Authenticate"] = "Bearer";
  else if (error.reason.startsWith("token_")) headers["WWW-Authenticate"] = 'Bearer error="invalid_token"';
  if (error.reason === "reauthentication_required") {
    // RFC 9470 section 3.
    const maxAge = error.maxAgeS === undefined ? "" : `, max_age="${error.maxAgeS}"`;
    headers["WWW-Authenticate"] = `Bearer error="insufficient_user_authentication"${maxAge}`;
  }
  return headers;
}

function readResponses(): Record<Reason, ReasonResponse> {
  const table = new Map<string, ReasonResponse>();
  for (const value of ErrorReasonSchema.values) {
    if (value.number === 0) continue;
    const { httpStatus, grpcCode, message } = getOption(value, response);
    const code = codeFromString(grpcCode.toLowerCase() as Parameters<typeof codeFromString>[0]);
    if (code === undefined || httpStatus === 0 || message === "") throw new Error(`${value.name} has no response`);
    table.set(value.name.replace("ERROR_REASON_", "").toLowerCase(), { httpStatus, code, message });
  }
  const missing = REASONS.filter((reason) => !table.has(reason));
  if (missing.length > 0 || table.size !== REASONS.length) {
    throw new Error(`auth.v1.ErrorReason and the domain's reasons differ: ${missing.join(", ")}`);
  }
  return Object.fromEntries(table) as Record<Reason, ReasonResponse>;
}
