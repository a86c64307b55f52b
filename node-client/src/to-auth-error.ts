import { ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema } from "@sello/gen/google/rpc/error_details_pb";
import { AuthError, isServerErrorCode } from "./errors.ts";

/**
 * Any failure of a call as the one error that leaves this package. An answer without a reason of the contract did not come from
 * the server: a connection that broke, a deadline, a proxy on the way. All that is known then is that it is not available.
 */
export function toAuthError(error: unknown): AuthError {
  if (error instanceof AuthError) return error;
  const failure = ConnectError.from(error);
  const reason = failure.findDetails(ErrorInfoSchema)[0]?.reason;
  if (reason === undefined || !isServerErrorCode(reason)) return new AuthError("unavailable", { cause: error });
  return new AuthError(reason, { message: failure.rawMessage, retryAfterS: retryAfterOf(failure), cause: error });
}

/** The same where the request carried nothing that could be refused but the service account: no user's token. */
export function toServiceError(error: unknown): AuthError {
  const failure = toAuthError(error);
  return failure.code.startsWith("token_") || failure.code === "forbidden" ? serviceAccountRefused(failure) : failure;
}

export function serviceAccountRefused(cause: AuthError): AuthError {
  const message = `The server refuses this back end's service account: ${cause.message}`;
  return new AuthError("service_account_refused", { message, cause });
}

function retryAfterOf({ metadata }: ConnectError): number | undefined {
  const seconds = Number.parseInt(metadata.get("retry-after") ?? "", 10);
  return seconds >= 0 ? seconds : undefined;
}
