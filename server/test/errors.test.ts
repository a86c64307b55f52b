import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorReasonSchema } from "@sello/gen/auth/v1/error_reason_pb";
import { ErrorInfoSchema } from "@sello/gen/google/rpc/error_details_pb";
import { describe, expect, test } from "vitest";
import { AuthError, REASONS } from "../src/domain/errors.ts";
import { errorHeaders, RESPONSES, toConnectError } from "../src/rpc/errors.ts";
import { call, type ErrorBody, newUser, PASSWORD, registerUser } from "./support/client.ts";
import { rpc } from "./support/rpc.ts";
import { startAppForTest } from "./support/start-app.ts";

/** The contract's table, section 4. */
const TABLE: Record<string, [http: number, grpc: Code]> = {
  invalid_request: [400, Code.InvalidArgument],
  validation_failed: [400, Code.InvalidArgument],
  weak_password: [400, Code.InvalidArgument],
  envelope_invalid: [400, Code.InvalidArgument],
  envelope_unknown_key: [400, Code.FailedPrecondition],
  envelope_expired: [400, Code.FailedPrecondition],
  envelope_replayed: [400, Code.FailedPrecondition],
  envelope_required: [400, Code.FailedPrecondition],
  channel_expired: [401, Code.Unauthenticated],
  invalid_credentials: [401, Code.Unauthenticated],
  mfa_invalid: [401, Code.Unauthenticated],
  token_missing: [401, Code.Unauthenticated],
  token_invalid: [401, Code.Unauthenticated],
  token_expired: [401, Code.Unauthenticated],
  token_revoked: [401, Code.Unauthenticated],
  refresh_invalid: [401, Code.Unauthenticated],
  refresh_expired: [401, Code.Unauthenticated],
  refresh_reused: [401, Code.Unauthenticated],
  forbidden: [403, Code.PermissionDenied],
  not_found: [404, Code.NotFound],
  method_not_allowed: [405, Code.Unimplemented],
  already_exists: [409, Code.AlreadyExists],
  conflict: [409, Code.FailedPrecondition],
  payload_too_large: [413, Code.ResourceExhausted],
  account_locked: [423, Code.FailedPrecondition],
  rate_limited: [429, Code.ResourceExhausted],
  internal: [500, Code.Internal],
  overloaded: [503, Code.Unavailable],
  unavailable: [503, Code.Unavailable],
  reauthentication_required: [401, Code.Unauthenticated],
};

describe("the reasons", () => {
  test("are the same in the contract's table, the enum and the domain", () => {
    const enumerated = ErrorReasonSchema.values
      .filter(({ number }) => number !== 0)
      .map(({ name }) => name.replace("ERROR_REASON_", "").toLowerCase());
    expect(enumerated).toStrictEqual([...REASONS]);
    expect(Object.keys(TABLE)).toStrictEqual([...REASONS]);
  });

  test.each(REASONS)("%s has the status, the code and a message of the contract", (reason) => {
    const { httpStatus, code, message } = RESPONSES[reason];
    expect([httpStatus, code]).toStrictEqual(TABLE[reason]);
    expect(message).toMatch(/^[A-Z].*\.$/);
  });

  test.each(REASONS)("%s leaves with one detail that names it", (reason) => {
    const error = toConnectError(new AuthError(reason));
    expect(error.code).toBe(RESPONSES[reason].code);
    expect(error.details).toHaveLength(1);
    expect(error.findDetails(ErrorInfoSchema)).toMatchObject([{ reason, domain: "auth", metadata: {} }]);
  });
});

describe("the headers of an error", () => {
  test("ask for a token where one is missing, and tell where one is bad", () => {
    expect(errorHeaders(new AuthError("token_missing"))).toStrictEqual({ "WWW-Authenticate": "Bearer" });
    for (const reason of ["token_invalid", "token_expired", "token_revoked"] as const) {
      expect(errorHeaders(new AuthError(reason))).toStrictEqual({ "WWW-Authenticate": 'Bearer error="invalid_token"' });
    }
    expect(errorHeaders(new AuthError("invalid_credentials"))).toStrictEqual({});
  });

  test("never ask to come back at once", () => {
    expect(errorHeaders(new AuthError("overloaded", { retryAfterS: 0 }))).toStrictEqual({ "Retry-After": "1" });
  });
});

describe("an unexpected failure", () => {
  const SECRET = "relation users has a secret in it";

  test("is internal on every protocol, logged with its cause, and never described", async () => {
    const server = await startAppForTest();
    const { refresh_token } = await registerUser(server.url);
    server.app.deps.sessions.rotate = () => Promise.reject(new Error(SECRET, { cause: new Error("the cause") }));
    const rest = await call<ErrorBody>(`${server.url}/auth/token/refresh`, { body: { refresh_token } });
    expect(rest).toMatchObject({
      status: 500,
      body: { error: { code: "internal", message: RESPONSES.internal.message } },
    });
    const connect = await rpc(server.url, "RefreshToken", { body: { refreshToken: refresh_token } });
    expect(connect).toMatchObject({ status: 500, reason: "internal" });
    expect(JSON.stringify([rest.body, connect.body])).not.toContain(SECRET);
    const logged = server.logs.filter((line) => line["msg"] === "a call failed");
    expect(logged).toHaveLength(2);
    expect(logged[0]).toMatchObject({
      level: "error",
      procedure: "auth.v1.AuthService/RefreshToken",
      request_id: rest.headers.get("x-request-id"),
      error: { message: SECRET, stack: expect.any(String), cause: { message: "the cause" } },
    });
  });

  test("of Connect's own kind is no way around", async () => {
    const server = await startAppForTest();
    const { refresh_token } = await registerUser(server.url);
    for (const code of [Code.Canceled, Code.DeadlineExceeded, Code.NotFound]) {
      server.app.deps.sessions.rotate = () => Promise.reject(new ConnectError(SECRET, code));
      const { status, body } = await call<ErrorBody>(`${server.url}/auth/token/refresh`, { body: { refresh_token } });
      expect({ status, code: body.error.code }).toStrictEqual({ status: 500, code: "internal" });
      const connect = await rpc(server.url, "RefreshToken", { body: { refreshToken: refresh_token } });
      expect(connect).toMatchObject({ status: 500, reason: "internal" });
    }
  });
});

describe("a caller's own deadline", () => {
  test("ends the call with deadline_exceeded and is no failure of the server", async () => {
    const server = await startAppForTest();
    const { credentials } = await registerUser(server.url);
    const headers = { "connect-timeout-ms": "0" };
    const body = { identifier: credentials.email, password: PASSWORD };
    const answer = await rpc<{ code: string }>(server.url, "Login", { body, headers });
    expect(answer).toMatchObject({ status: 504, body: { code: "deadline_exceeded" } });
    expect(server.logs.filter((line) => line["level"] === "error")).toStrictEqual([]);
  });

  test("is not asked of one who sets none", async () => {
    const server = await startAppForTest();
    expect((await rpc(server.url, "Register", { body: newUser() })).status).toBe(200);
  });
});
