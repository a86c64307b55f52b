import { Code, ConnectError } from "@connectrpc/connect";
import { AuthError, type AuthErrorCode, retryAfterOf } from "./errors.ts";

/** Any failure of a call as the one error that leaves this package. */
export function toAuthError(error: unknown): AuthError {
  if (error instanceof AuthError) return error;
  if (!(error instanceof ConnectError)) return new AuthError("internal", "The call failed.", { cause: error });
  if (error.cause instanceof AuthError) return error.cause;
  const code = reasonOf(error) ?? byStatus[error.code] ?? "internal";
  return new AuthError(code, error.rawMessage, { retryAfterS: retryAfterOf(error.metadata), cause: error });
}

/** For an answer without a reason: one of a proxy on the way. */
const byStatus: { readonly [code in Code]?: AuthErrorCode } = {
  [Code.Canceled]: "cancelled",
  [Code.DeadlineExceeded]: "timeout",
  [Code.InvalidArgument]: "invalid_request",
  [Code.NotFound]: "not_found",
  [Code.Unimplemented]: "not_found",
  [Code.PermissionDenied]: "forbidden",
  [Code.Unauthenticated]: "token_invalid",
  [Code.ResourceExhausted]: "rate_limited",
  [Code.Unavailable]: "unavailable",
};

const FIRST_FIELD_AS_TEXT = 0x0a;

/** The `reason` of the answer's `google.rpc.ErrorInfo`: its first field, a short text. Generated code for it costs 2 kB. */
function reasonOf({ details }: ConnectError): string | undefined {
  for (const detail of details) {
    if (!("type" in detail) || detail.type !== "google.rpc.ErrorInfo") continue;
    const [tag, length = 0] = detail.value;
    if (tag === FIRST_FIELD_AS_TEXT) return new TextDecoder().decode(detail.value.subarray(2, 2 + length));
  }
  return undefined;
}
