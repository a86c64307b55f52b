/** What the server says: the closed set of docs/errors.md. */
export type ServerErrorCode =
  | "invalid_request"
  | "validation_failed"
  | "weak_password"
  | "envelope_invalid"
  | "envelope_unknown_key"
  | "envelope_expired"
  | "envelope_replayed"
  | "envelope_required"
  | "channel_expired"
  | "invalid_credentials"
  | "mfa_invalid"
  | "token_missing"
  | "token_invalid"
  | "token_expired"
  | "token_revoked"
  | "refresh_invalid"
  | "refresh_expired"
  | "refresh_reused"
  | "forbidden"
  | "not_found"
  | "method_not_allowed"
  | "already_exists"
  | "conflict"
  | "payload_too_large"
  | "account_locked"
  | "rate_limited"
  | "internal"
  | "overloaded"
  | "unavailable"
  | "reauthentication_required";

/** What the client itself finds. */
export type ClientErrorCode =
  /** No answer came: the network or the server is down. The server may have done what was asked, or not. */
  | "offline"
  /** The call took longer than its `timeoutMs`. The same doubt. */
  | "timeout"
  /** The caller's signal was aborted, or a logout overtook the login. */
  | "cancelled"
  /** The answer to a sealed call was not sealed by the server it was sealed for, or that server's keys are not the pinned ones. */
  | "server_untrusted"
  /** Another tab has logged in as somebody else: the call was not sent again in that name. */
  | "user_changed";

/** Other back ends may have codes of their own. */
export type AuthErrorCode = ServerErrorCode | ClientErrorCode | (string & Record<never, never>);

export type AuthErrorDetails = { status?: number | undefined; retryAfterS?: number | undefined; cause?: unknown };

/** The only error that a call rejects with. `code` is for programs, `message` for people. */
export class AuthError extends Error {
  override readonly name = "AuthError";
  readonly code: AuthErrorCode;
  /** The HTTP status of the answer to an `apiCall`. */
  readonly status: number | undefined;
  /** How long the server asks to wait, in seconds. */
  readonly retryAfterS: number | undefined;

  constructor(code: AuthErrorCode, message: string, { status, retryAfterS, cause }: AuthErrorDetails = {}) {
    super(message, { cause });
    this.code = code;
    this.status = status;
    this.retryAfterS = retryAfterS;
  }
}

export function retryAfterOf(headers: Headers): number | undefined {
  const seconds = Number.parseInt(headers.get("retry-after") ?? "", 10);
  return seconds >= 0 ? seconds : undefined;
}

export function untrusted(message: string, cause?: unknown): AuthError {
  return new AuthError("server_untrusted", message, { cause });
}
