import { getOption } from "@bufbuild/protobuf";
import { type ErrorReason, ErrorReasonSchema, response } from "@sello/gen/auth/v1/error_reason_pb";

/** What the server says: the closed set of `auth.v1.ErrorReason`. */
export type ServerErrorCode = Lowercase<Exclude<keyof typeof ErrorReason, "UNSPECIFIED">>;

/** What only the operator of this back end can put right: the server refuses its service account, or a scope is missing. */
export type ClientErrorCode = "service_account_refused";

export type AuthErrorCode = ServerErrorCode | ClientErrorCode;

export type AuthErrorDetails = { message?: string | undefined; retryAfterS?: number | undefined; cause?: unknown };

/** The only error that a call rejects with, the caller's own abort aside. `code` is for programs, `message` for people. */
export class AuthError extends Error {
  override readonly name = "AuthError";
  readonly code: AuthErrorCode;
  /** How long the server asks to wait, in seconds. */
  readonly retryAfterS: number | undefined;

  constructor(code: AuthErrorCode, { message, retryAfterS, cause }: AuthErrorDetails = {}) {
    super(message ?? (isServerErrorCode(code) ? RESPONSES[code].message : code), { cause });
    this.code = code;
    this.retryAfterS = retryAfterS;
  }
}

export type ErrorResponse = { httpStatus: number; grpcCode: string; message: string };

/** What a caller receives for each code, as `auth.v1.ErrorReason` declares it. */
export const RESPONSES: Readonly<Record<ServerErrorCode, ErrorResponse>> = readResponses();

export function isServerErrorCode(code: string): code is ServerErrorCode {
  return Object.hasOwn(RESPONSES, code);
}

function readResponses(): Record<ServerErrorCode, ErrorResponse> {
  const declared = ErrorReasonSchema.values.filter(({ number }) => number !== 0);
  return Object.fromEntries(
    declared.map((value) => {
      const { httpStatus, grpcCode, message } = getOption(value, response);
      return [value.localName.toLowerCase(), { httpStatus, grpcCode, message }];
    }),
  ) as Record<ServerErrorCode, ErrorResponse>;
}
