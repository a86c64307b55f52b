import type { DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { AuthService } from "@sello/gen/auth/v1/auth_service_pb";
import { KeyService } from "@sello/gen/auth/v1/key_service_pb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RESPONSES } from "../src/rpc/errors.ts";
import { call, newUser, PASSWORD, registerUser } from "./support/client.ts";
import { callBy, type Route, WAYS, type Way } from "./support/each-protocol.ts";
import { startApp, startAppForTest, type TestApp } from "./support/start-app.ts";
import { type Outcome, openWire, readRest, readRpc, type Wire } from "./support/wire.ts";

let server: TestApp;
let wire: Wire;
beforeAll(async () => {
  server = await startApp({ env: { LOCKOUT_THRESHOLD: "1000" } });
  wire = openWire(server.url);
});
afterAll(async () => {
  await wire[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const { register, login, refreshToken, logout, getMe } = AuthService.method;
const ROUTES = {
  register: { verb: "POST", path: "/auth/register" },
  login: { verb: "POST", path: "/auth/login" },
  token: { verb: "POST", path: "/auth/token" },
  refresh: { verb: "POST", path: "/auth/token/refresh" },
  logout: { verb: "POST", path: "/auth/logout" },
  me: { verb: "GET", path: "/auth/me" },
  jwks: { verb: "GET", path: "/.well-known/jwks.json" },
} satisfies Record<string, Route>;

/** What a bad request is: the RPC, its route, and why it is refused. */
type Bad<M extends DescMethodUnary> = {
  name: string;
  method: M;
  route: Route;
  message: MessageInitShape<M["input"]>;
  headers?: Record<string, string>;
  reason: keyof typeof RESPONSES;
};
const bad = <M extends DescMethodUnary>({ name, reason, ...sample }: Bad<M>) => ({
  name,
  reason,
  by: (way: Way): Promise<Outcome> => callBy(wire, way, sample),
});

const BAD = [
  bad({
    name: "an empty register",
    method: register,
    route: ROUTES.register,
    message: {},
    reason: "validation_failed",
  }),
  bad({
    name: "a weak password",
    method: register,
    route: ROUTES.register,
    message: { email: "someone@example.com", username: "someone", password: "short" },
    reason: "weak_password",
  }),
  bad({
    name: "a bad email",
    method: register,
    route: ROUTES.register,
    message: { email: "nobody", username: "someone", password: PASSWORD },
    reason: "validation_failed",
  }),
  bad({
    name: "an unknown user",
    method: login,
    route: ROUTES.login,
    message: { identifier: "nobody@example.com", password: PASSWORD },
    reason: "invalid_credentials",
  }),
  bad({
    name: "an unknown user at the other path",
    method: login,
    route: ROUTES.token,
    message: { username: "nobody", password: PASSWORD },
    reason: "invalid_credentials",
  }),
  bad({
    name: "an unknown refresh token",
    method: refreshToken,
    route: ROUTES.refresh,
    message: { refreshToken: "rt_unknown" },
    reason: "refresh_invalid",
  }),
  bad({ name: "no token", method: getMe, route: ROUTES.me, message: {}, reason: "token_missing" }),
  bad({
    name: "a bad token",
    method: getMe,
    route: ROUTES.me,
    message: {},
    headers: { authorization: "Bearer nonsense" },
    reason: "token_invalid",
  }),
  bad({
    name: "a channel that does not exist",
    method: login,
    route: ROUTES.login,
    message: { sessionEnc: { sid: "AAAA", n: 1, iv: "AAAA", ct: "AAAA" } },
    reason: "channel_expired",
  }),
  bad({
    name: "an envelope that does not open",
    method: login,
    route: ROUTES.login,
    message: { frontEnc: { kid: "x" } },
    reason: "envelope_invalid",
  }),
];

/** Connect maps its codes to HTTP by itself. */
const CONNECT_STATUS: Partial<Record<Code, number>> = {
  [Code.InvalidArgument]: 400,
  [Code.FailedPrecondition]: 400,
  [Code.Unauthenticated]: 401,
  [Code.PermissionDenied]: 403,
  [Code.NotFound]: 404,
  [Code.AlreadyExists]: 409,
  [Code.ResourceExhausted]: 429,
};

describe.each(BAD)("$name", (sample) => {
  test("is refused with one reason, one message and the contract's status on every protocol", async () => {
    const answers = await Promise.all(WAYS.map((way) => sample.by(way)));
    const expected = RESPONSES[sample.reason];
    for (const [i, answer] of answers.entries()) {
      const way = WAYS[i];
      expect({ way, reason: answer.reason }).toStrictEqual({ way, reason: sample.reason });
      expect(answer.message).toBe(answers[0]?.message);
      expect(answer.message).not.toBe("");
    }
    const [rest, ...rpcs] = answers;
    expect(rest?.status).toBe(expected.httpStatus);
    expect(Object.keys(JSON.parse(rest?.text ?? "{}"))).toStrictEqual(["error"]);
    expect(Object.keys(JSON.parse(rest?.text ?? "{}").error)).toStrictEqual(["code", "message"]);
    for (const answer of rpcs) expect(answer).toMatchObject({ code: expected.code, domain: "auth" });
    const [connectJson, connectProto, grpcWeb, grpc] = rpcs;
    expect(connectJson?.status).toBe(CONNECT_STATUS[expected.code]);
    expect(connectProto?.status).toBe(CONNECT_STATUS[expected.code]);
    expect([grpcWeb?.status, grpc?.status]).toStrictEqual([200, 200]);
  });
});

describe("a good call", () => {
  test.each(WAYS)("of every route succeeds over %s", async (way) => {
    const user = newUser();
    const registered = await callBy(wire, way, {
      method: register,
      route: ROUTES.register,
      message: { ...user, dataPublic: { displayName: "Ada" } },
    });
    expect(registered.data).toMatchObject({ tokenType: "Bearer", expiresIn: 900, refreshExpiresIn: 604_800 });
    expect(registered.data?.user).toMatchObject({ email: user.email, dataPublic: { displayName: "Ada" } });
    const loggedIn = await callBy(wire, way, {
      method: login,
      route: ROUTES.login,
      message: { identifier: user.email, password: user.password },
    });
    const refreshed = await callBy(wire, way, {
      method: refreshToken,
      route: ROUTES.refresh,
      message: { refreshToken: loggedIn.data?.refreshToken ?? "" },
    });
    const headers = { authorization: `Bearer ${refreshed.data?.accessToken}` };
    const me = await callBy(wire, way, { method: getMe, route: ROUTES.me, message: {}, headers });
    expect(me.data?.user).toStrictEqual(registered.data?.user);
    expect((await callBy(wire, way, { method: logout, route: ROUTES.logout, message: {}, headers })).ok).toBe(true);
    const after = await callBy(wire, way, { method: getMe, route: ROUTES.me, message: {}, headers });
    expect(after.reason).toBe("token_revoked");
  });

  test("gives equal data on every protocol", async () => {
    const { access_token } = await registerUser(server.url);
    const headers = { authorization: `Bearer ${access_token}` };
    const sample = { method: getMe, route: ROUTES.me, message: {}, headers };
    const users = await Promise.all(WAYS.map(async (way) => (await callBy(wire, way, sample)).data?.user));
    for (const user of users) expect(user).toStrictEqual(users[0]);
    expect(users[0]?.id).toMatch(/^[0-9a-f-]{36}$/);
    const keys = { method: KeyService.method.getJwks, route: ROUTES.jwks, message: {} };
    const sets = await Promise.all(WAYS.map(async (way) => (await callBy(wire, way, keys)).data?.keys));
    for (const set of sets) expect(set).toStrictEqual(sets[0]);
    expect(sets[0]?.length).toBeGreaterThanOrEqual(4);
  });

  test("answers a register with 201 on the plain route and 200 on the RPC", async () => {
    const rest = await callBy(wire, "rest", { method: register, route: ROUTES.register, message: newUser() });
    const rpc = await callBy(wire, "connect-json", { method: register, route: ROUTES.register, message: newUser() });
    expect([rest.status, rpc.status]).toStrictEqual([201, 200]);
  });
});

describe("names", () => {
  const bodyOf = async (body: object) => {
    const user = newUser();
    return call<Record<string, unknown>>(`${server.url}/auth/register`, { body: { ...user, ...body } });
  };

  test("of the plain routes go in as snake_case or camelCase, and come out as snake_case", async () => {
    const snake = await bodyOf({ data_public: { display_name: "Ada", avatar_url: "https://example.com/a" } });
    const camel = await bodyOf({ dataPublic: { displayName: "Ada", avatarUrl: "https://example.com/a" } });
    for (const { status, body } of [snake, camel]) {
      expect(status).toBe(201);
      expect(Object.keys(body)).toStrictEqual([
        "access_token",
        "token_type",
        "expires_in",
        "refresh_token",
        "refresh_expires_in",
        "user",
      ]);
      const user = body["user"] as Record<string, unknown>;
      expect(Object.keys(user)).toStrictEqual([
        "id",
        "email",
        "username",
        "roles",
        "permissions",
        "is_admin",
        "mfa_enabled",
        "created_at",
        "data_public",
      ]);
      expect(user["data_public"]).toStrictEqual({ display_name: "Ada", avatar_url: "https://example.com/a" });
    }
  });

  test("of Connect's JSON come out as lowerCamelCase", async () => {
    const raw = await wire.http1({
      path: "/auth.v1.AuthService/Register",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(newUser()),
    });
    const body = JSON.parse(raw.body.toString());
    expect(Object.keys(body)).toEqual(expect.arrayContaining(["accessToken", "tokenType", "refreshToken"]));
    expect(Object.keys(body.user)).toEqual(expect.arrayContaining(["createdAt"]));
  });

  test("that nobody knows are passed over, on every protocol", async () => {
    const body = JSON.stringify({ identifier: "nobody", password: PASSWORD, is_admin: true, later: { more: [1] } });
    const headers = { "content-type": "application/json" };
    const rest = readRest(await wire.http1({ path: "/auth/login", headers, body }));
    const connect = readRpc("connect-json", await wire.http1({ path: "/auth.v1.AuthService/Login", headers, body }));
    expect([rest.reason, connect.reason]).toStrictEqual(["invalid_credentials", "invalid_credentials"]);
  });
});

describe("RPCs without side effects", () => {
  const queryOf = (query: Record<string, string>) => new URLSearchParams({ connect: "v1", ...query }).toString();

  test("answer Connect's GET, in JSON and in binary", async () => {
    const { access_token, user } = await registerUser(server.url);
    const headers = { authorization: `Bearer ${access_token}` };
    for (const query of [
      queryOf({ encoding: "json", message: "{}" }),
      queryOf({ encoding: "json", message: Buffer.from("{}").toString("base64url"), base64: "1" }),
    ]) {
      const raw = await wire.http1({ path: `/auth.v1.AuthService/GetMe?${query}`, method: "GET", headers });
      expect(JSON.parse(raw.body.toString()).user.id).toBe(user.id);
    }
    const binary = queryOf({ encoding: "proto", message: "" });
    const raw = await wire.http1({ path: `/auth.v1.AuthService/GetMe?${binary}`, method: "GET", headers });
    expect(raw.status).toBe(200);
    expect(raw.headers.get("content-type")).toBe("application/proto");
  });

  test("refuse over GET as they do over POST", async () => {
    const query = queryOf({ encoding: "json", message: "{}" });
    const raw = await wire.http1({ path: `/auth.v1.AuthService/GetMe?${query}`, method: "GET" });
    expect(readRpc("connect-json", raw)).toMatchObject({ status: 401, reason: "token_missing" });
  });

  test("are the only ones: a GET to any other is refused, and told what the address takes", async () => {
    const query = queryOf({ encoding: "json", message: "{}" });
    const raw = await wire.http1({ path: `/auth.v1.AuthService/Logout?${query}`, method: "GET" });
    expect(readRest(raw)).toMatchObject({ status: 405, reason: "method_not_allowed" });
    expect(raw.headers.get("allow")).toBe("POST");
  });
});

describe("headers of an error", () => {
  const challengeOf = async (way: Way, headers: Record<string, string>) =>
    (await callBy(wire, way, { method: getMe, route: ROUTES.me, message: {}, headers })).headers.get(
      "www-authenticate",
    );

  test.each(WAYS)("ask for a bearer token over %s", async (way) => {
    expect(await challengeOf(way, {})).toBe("Bearer");
    expect(await challengeOf(way, { authorization: "Bearer nonsense" })).toBe('Bearer error="invalid_token"');
  });

  test.each(WAYS)("say when to come back over %s", async (way) => {
    const limited = await startAppForTest({ env: { RATE_LIMIT_LOGIN_IP: "1/60" } });
    await using one = openWire(limited.url);
    const sample = { method: login, route: ROUTES.login, message: { identifier: "nobody", password: PASSWORD } };
    await callBy(one, way, sample);
    const { reason, headers } = await callBy(one, way, sample);
    expect(reason).toBe("rate_limited");
    expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
    expect(Number(headers.get("retry-after"))).toBeLessThanOrEqual(60);
    expect(headers.get("ratelimit-limit")).toBe("1");
    expect(headers.get("ratelimit-remaining")).toBe("0");
    expect(headers.get("ratelimit-reset")).toBe(headers.get("retry-after"));
  });
});
