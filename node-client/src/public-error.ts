import { AuthError, type ErrorResponse, isServerErrorCode, RESPONSES, type ServerErrorCode } from "./errors.ts";

/** An error as it may leave this back end: in the contract's words, without its cause. */
export type PublicError = {
  code: ServerErrorCode;
  response: ErrorResponse;
  message: string;
  headers: Record<string, string>;
};

/**
 * Anything that a guard caught. What is no AuthError is `internal`; a service account that is refused is this back end's own
 * affair, and `unavailable` for its callers, who would be sent to the login otherwise.
 */
export function toPublicError(error: unknown): PublicError {
  if (!(error instanceof AuthError)) return publicError("internal");
  if (!isServerErrorCode(error.code)) return publicError("unavailable");
  return publicError(error.code, error.message, error.retryAfterS);
}

function publicError(code: ServerErrorCode, message = RESPONSES[code].message, retryAfterS?: number): PublicError {
  const headers: Record<string, string> = { "Cache-Control": "no-store" };
  if (code === "token_missing") headers["WWW-Authenticate"] = "Bearer";
  else if (code.startsWith("token_")) headers["WWW-Authenticate"] = 'Bearer error="invalid_token"';
  if (retryAfterS !== undefined) headers["Retry-After"] = String(retryAfterS);
  return { code, response: RESPONSES[code], message, headers };
}

/** `{"error":{code,message}}`. */
export function errorBody({ code, message }: PublicError): { error: { code: string; message: string } } {
  return { error: { code, message } };
}
