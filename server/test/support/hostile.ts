import { create, toBinary } from "@bufbuild/protobuf";
import { AuthService } from "@sello/gen/auth/v1/auth_service_pb";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { startApp, type TestApp } from "./start-app.ts";
import { type Outcome, openWire, type RawAnswer, type RawRequest, type Wire } from "./wire.ts";

/** What a test file sends hostile requests to. */
export type Target = {
  readonly server: TestApp;
  readonly wire: Wire;
  /** Answers within two seconds. */
  http1(request: RawRequest): Promise<RawAnswer>;
};

/** A server for all tests of the file. None of them may leave an error in its log. */
export function startTarget(): Target {
  let server: TestApp;
  let wire: Wire;
  beforeAll(async () => {
    server = await startApp({ env: { LOCKOUT_THRESHOLD: "1000000" } });
    wire = openWire(server.url);
  });
  afterEach(() => {
    expect(server.logs.filter((line) => line["level"] === "error")).toStrictEqual([]);
  });
  afterAll(async () => {
    await wire[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });
  return {
    get server() {
      return server;
    },
    get wire() {
      return wire;
    },
    http1: (request) => timed(wire.http1(request)),
  };
}

export const RPC = "/auth.v1.AuthService/Login";
export const ROUTE = "/auth/login";
export const JSON_TYPE = { "content-type": "application/json" };
export const PROTO_TYPE = { "content-type": "application/proto" };
export const GRPC_TYPE = { "content-type": "application/grpc", te: "trailers" };
export const WEB_TYPE = { "content-type": "application/grpc-web+proto" };
export const LOGIN = toBinary(
  AuthService.method.login.input,
  create(AuthService.method.login.input, { identifier: "nobody", password: "a wrong passphrase" }),
);
export const LOGIN_JSON = JSON.stringify({ identifier: "nobody", password: "a wrong passphrase" });

/** Words of parsers and of Node, none of which may reach a client. */
export const PARSERS_WORDS =
  /unexpected|token .* in JSON|position \d|illegal|parse binary|cannot decode|invalid wire|premature|RangeError|SyntaxError|TypeError|ERR_|zlib|incorrect header|protocol error|\bat .*\.(js|ts):\d|node_modules/i;

export function expectRefused(answer: Outcome, reason: string): void {
  expect(answer.reason).toBe(reason);
  expect(answer.message).not.toBe("");
  expect(answer.text).not.toMatch(PARSERS_WORDS);
  expect(answer.status === 200 || (answer.status >= 400 && answer.status < 500)).toBe(true);
}

/** The shape of a refusal by HTTP alone, which every plain route has. */
export function expectPlainRefusal(answer: Outcome, status: number, reason: string): void {
  expect(JSON.parse(answer.text)).toStrictEqual({ error: { code: reason, message: answer.message } });
  expect(answer.status).toBe(status);
  expectRefused(answer, reason);
}

export async function timed<T>(work: Promise<T>): Promise<T> {
  const start = performance.now();
  const result = await work;
  expect(performance.now() - start).toBeLessThan(2_000);
  return result;
}
