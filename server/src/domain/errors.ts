/** The closed set of reasons for which a call is refused; `auth.v1.ErrorReason` documents each. */
export const REASONS = [
  "invalid_request",
  "validation_failed",
  "weak_password",
  "envelope_invalid",
  "envelope_unknown_key",
  "envelope_expired",
  "envelope_replayed",
  "envelope_required",
  "channel_expired",
  "invalid_credentials",
  "mfa_invalid",
  "token_missing",
  "token_invalid",
  "token_expired",
  "token_revoked",
  "refresh_invalid",
  "refresh_expired",
  "refresh_reused",
  "forbidden",
  "not_found",
  "method_not_allowed",
  "already_exists",
  "conflict",
  "payload_too_large",
  "account_locked",
  "rate_limited",
  "internal",
  "overloaded",
  "unavailable",
  "reauthentication_required",
] as const;

export type Reason = (typeof REASONS)[number];

export type AuthErrorOptions = {
  /** What to tell the person; without it the reason's own message is sent. Never a secret. */
  message?: string;
  /** Seconds after which the call may succeed. */
  retryAfterS?: number;
  /** The limit that was reached, for the `RateLimit-*` headers. */
  limit?: { points: number; remaining: number };
  /** How recent an authentication must be, in seconds. */
  maxAgeS?: number;
  /** For the log alone. */
  cause?: unknown;
};

/** The only error that reaches a client. Everything else is logged with its cause and sent as `internal`. */
export class AuthError extends Error {
  override readonly name = "AuthError";
  readonly reason: Reason;
  readonly publicMessage: string | undefined;
  readonly retryAfterS: number | undefined;
  readonly limit: AuthErrorOptions["limit"];
  readonly maxAgeS: number | undefined;

  constructor(reason: Reason, options: AuthErrorOptions = {}) {
    super(options.message ?? reason, options.cause === undefined ? undefined : { cause: options.cause });
    this.reason = reason;
    this.publicMessage = options.message;
    this.retryAfterS = options.retryAfterS;
    this.limit = options.limit;
    this.maxAgeS = options.maxAgeS;
  }
}
