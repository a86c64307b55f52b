import { randomBytes } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import type { Recipient } from "@sello/envelope";
import { type FrontEnc, FrontEncSchema } from "@sello/gen/envelope/v1/envelope_pb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { call, type ErrorBody, newUser, PASSWORD, registerUser, type Tokens } from "./support/client.ts";
import { recipientOf, type Sealed, seal } from "./support/front.ts";
import { authClient, bearer, refusalOf } from "./support/protocols.ts";
import { startApp, startAppForTest, type TestApp } from "./support/start-app.ts";

let server: TestApp;
beforeAll(async () => {
  server = await startApp();
});
afterAll(() => server[Symbol.asyncDispose]());

const PROTOCOLS = ["Connect in JSON", "Connect in binary", "gRPC-Web", "gRPC"];
const nowOf = (app: TestApp) => Math.floor(app.clock.now().getTime() / 1000);

type Method = "register" | "login" | "refreshToken" | "logout" | "getMe" | "changePassword" | "listSessions";
const RPC_NAME = (method: Method) => method.charAt(0).toUpperCase() + method.slice(1);

/** Makes a sealed call over a protocol. */
async function callSealed(
  app: TestApp,
  protocol: string,
  options: { method: Method; message: object; recipient: Recipient; token?: string },
): Promise<Record<string, unknown>> {
  const { method, message, recipient, token } = options;
  const binding = `/auth.v1.AuthService/${RPC_NAME(method)}`;
  const sealed = await seal(recipient, message, { binding, now: nowOf(app) });
  const client = authClient(protocol, app.url);
  const frontEnc = create(FrontEncSchema, sealed.envelope);
  const answer = await client[method]({ frontEnc }, token === undefined ? {} : bearer(token));
  const { frontEnc: answered, ...rest } = answer as { frontEnc?: FrontEnc } & Record<string, unknown>;
  expect(
    Object.entries(rest).filter(([name, value]) => name !== "$typeName" && Boolean(value) && value !== 0),
  ).toSatisfy((members: [string, unknown][]) =>
    members.every(([, value]) => Array.isArray(value) && value.length === 0),
  );
  return sealed.open(answered);
}

describe.each(PROTOCOLS)("sealed, over %s,", (protocol) => {
  test.each(["RSA-OAEP-256", "ECDH-ES"] as const)("every call works under %s", async (alg) => {
    const recipient = await recipientOf(server.url, alg);
    const user = newUser();
    const run = (method: Method, message: object, token?: string) =>
      callSealed(server, protocol, { method, message, recipient, ...(token !== undefined && { token }) });
    await run("register", { ...user, data_public: { display_name: "Ana" } });
    const login = await run("login", { identifier: user.username, password: PASSWORD });
    expect(login).toMatchObject({ token_type: "Bearer", user: { data_public: { display_name: "Ana" } } });
    const token = String(login["access_token"]);
    expect(await run("getMe", {}, token)).toMatchObject({ user: { email: user.email } });
    expect(await run("listSessions", { page_size: 1 }, token)).toMatchObject({ sessions: [expect.anything()] });
    const changed = { current_password: PASSWORD, new_password: "another long passphrase" };
    expect(await run("changePassword", changed, token)).toStrictEqual({ revoked_sessions: 1 });
    const next = await run("refreshToken", { refresh_token: login["refresh_token"] });
    expect(await run("logout", { refresh_token: next["refresh_token"] })).toStrictEqual({});
  });

  test("an envelope is accepted once, of twenty at the same time", async () => {
    const recipient = await recipientOf(server.url);
    const { credentials } = await registerUser(server.url);
    const message = { identifier: credentials.email, password: PASSWORD };
    const binding = "/auth.v1.AuthService/Login";
    const { envelope } = await seal(recipient, message, { binding, now: nowOf(server) });
    const client = authClient(protocol, server.url);
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, () => client.login({ frontEnc: create(FrontEncSchema, envelope) })),
    );
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(await refusalOf(client.login({ frontEnc: create(FrontEncSchema, envelope) }))).toMatchObject({
      reason: "envelope_replayed",
      code: "FailedPrecondition",
    });
  });

  test("errors travel in clear", async () => {
    const recipient = await recipientOf(server.url);
    const message = { identifier: "nobody", password: PASSWORD };
    const refused = callSealed(server, protocol, { method: "login", message, recipient });
    expect(await refusalOf(refused)).toMatchObject({ reason: "invalid_credentials" });
  });
});

describe("a plain route", () => {
  test("takes and answers __front_enc__, bound to the route", async () => {
    const recipient = await recipientOf(server.url);
    const sealed = await seal(recipient, newUser(), { binding: "/auth/register", now: nowOf(server) });
    const answer = await send("/auth/register", { __front_enc__: sealed.envelope });
    expect(answer.status).toBe(201);
    expect(Object.keys(answer.body)).toStrictEqual(["__front_enc__"]);
    const envelope = answer.body["__front_enc__"] as object;
    expect(Object.keys(envelope).sort()).toStrictEqual(["aad", "ct", "enc", "iv"]);
    expect(await sealed.open(envelope)).toMatchObject({ token_type: "Bearer" });
  });

  test("keeps the refresh token out of a sealed answer that asks for the cookie", async () => {
    const recipient = await recipientOf(server.url);
    const message = { ...newUser(), use_cookie: true };
    const sealed = await seal(recipient, message, { binding: "/auth/register", now: nowOf(server) });
    const answer = await send("/auth/register", { __front_enc__: sealed.envelope });
    expect(answer.headers.get("set-cookie")).toMatch(/^refresh=rt_/);
    expect(Object.keys(await sealed.open(answer.body["__front_enc__"]))).not.toContain("refresh_token");
  });
});

function send(path: string, body: unknown, app = server) {
  return call<Record<string, unknown> & Partial<ErrorBody>>(`${app.url}${path}`, { body });
}

const UNKNOWN = randomBytes(32).toString("base64url");
const short = (bytes: number) => randomBytes(bytes).toString("base64url");

/** What is done to a good envelope, and how it is answered. */
const BROKEN: [string, (envelope: Sealed["envelope"]) => unknown, string][] = [
  ["for an unknown key", (e) => ({ ...e, kid: UNKNOWN }), "envelope_unknown_key"],
  ["for a signing key", (e) => ({ ...e, kid: server.app.keys.ring.signer().kid }), "envelope_unknown_key"],
  ["for a token key", (e) => ({ ...e, kid: server.app.keys.ring.encrypter().kid }), "envelope_unknown_key"],
  ["without a kid", ({ kid: _kid, ...e }) => e, "envelope_invalid"],
  ["with another alg", (e) => ({ ...e, alg: "RSA1_5" }), "envelope_invalid"],
  ["with another enc", (e) => ({ ...e, enc: "A128GCM" }), "envelope_invalid"],
  ["with an IV of 11 bytes", (e) => ({ ...e, iv: short(11) }), "envelope_invalid"],
  ["with an IV of 16 bytes", (e) => ({ ...e, iv: short(16) }), "envelope_invalid"],
  ["with an empty ct", (e) => ({ ...e, ct: "" }), "envelope_invalid"],
  ["with a ct of a short tag", (e) => ({ ...e, ct: short(12) }), "envelope_invalid"],
  ["with a flipped bit", (e) => ({ ...e, ct: flip(e.ct) }), "envelope_invalid"],
  ["without its aad", ({ aad: _aad, ...e }) => e, "envelope_invalid"],
  ["with another aad", (e) => ({ ...e, aad: short(40) }), "envelope_invalid"],
  ["with a cek beside its epk", (e) => ({ ...e, cek: short(256) }), "envelope_invalid"],
  ["with a point off the curve", (e) => ({ ...e, epk: { ...e.epk, x: short(32) } }), "envelope_invalid"],
  ["with padding", (e) => ({ ...e, ct: `${e.ct}=` }), "envelope_invalid"],
  ["as a list", (e) => [e], "invalid_request"],
  ["as a text", () => "sealed", "invalid_request"],
  ["with a number for its ct", (e) => ({ ...e, ct: 1 }), "invalid_request"],
];

function flip(text: string): string {
  const bytes = Buffer.from(text, "base64url");
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  return bytes.toString("base64url");
}

describe("an envelope", () => {
  test.each(BROKEN)("%s is refused", async (_name, change, code) => {
    const recipient = await recipientOf(server.url);
    const sealed = await seal(recipient, newUser(), { binding: "/auth/register", now: nowOf(server) });
    const answer = await send("/auth/register", { __front_enc__: change(sealed.envelope) });
    expect(answer).toMatchObject({ status: 400, body: { error: { code } } });
  });

  test.each([
    ["/auth/login", "/auth/register"],
    ["/auth.v1.AuthService/Register", "/auth/register"],
    ["/auth/token", "/auth/login"],
    ["/api/auth/register", "/auth/register"],
  ])("made for %s is refused at %s", async (binding, path) => {
    const recipient = await recipientOf(server.url);
    const { envelope } = await seal(recipient, newUser(), { binding, now: nowOf(server) });
    expect((await send(path, { __front_enc__: envelope })).body.error?.code).toBe("envelope_invalid");
  });

  test.each([-61, 61])("that is %d seconds off is expired", async (offset) => {
    const recipient = await recipientOf(server.url);
    const { envelope } = await seal(recipient, newUser(), { binding: "/auth/register", now: nowOf(server) + offset });
    expect((await send("/auth/register", { __front_enc__: envelope })).body.error?.code).toBe("envelope_expired");
  });

  test.each([
    ["a plain field", (e: object) => ({ __front_enc__: e, email: "a@example.com" })],
    ["a false beside a true field", (e: object) => ({ __front_enc__: e, use_cookie: true })],
    ["the other kind", (e: object) => ({ __front_enc__: e, __session_enc__: { sid: "x", n: 1, iv: "", ct: "" } })],
  ])("travels alone: not with %s", async (_name, body) => {
    const recipient = await recipientOf(server.url);
    const { envelope } = await seal(recipient, newUser(), { binding: "/auth/register", now: nowOf(server) });
    expect((await send("/auth/register", body(envelope))).body.error?.code).toBe("invalid_request");
  });

  test("named twice is refused", async () => {
    const recipient = await recipientOf(server.url);
    const { envelope } = await seal(recipient, newUser(), { binding: "/auth/register", now: nowOf(server) });
    const text = JSON.stringify(envelope);
    const body = `{"__front_enc__":${text},"__front_enc__":${text}}`;
    expect((await send("/auth/register", body)).body.error?.code).toBe("invalid_request");
  });

  test.each([
    ["deep JSON", `${'{"a":'.repeat(5000)}1${"}".repeat(5000)}`, "invalid_request"],
    ["a list", "[]", "invalid_request"],
    ["null", "null", "invalid_request"],
    ["half of a JSON", '{"email":', "invalid_request"],
    ["a prototype", '{"__proto__":{"email":"a@example.com"}}', "validation_failed"],
    ["nothing", "{}", "validation_failed"],
  ])("that holds %s is read like a plain body", async (_name, plaintext, code) => {
    const recipient = await recipientOf(server.url);
    const { envelope } = await seal(recipient, plaintext, { binding: "/auth/register", now: nowOf(server) });
    expect(await send("/auth/register", { __front_enc__: envelope })).toMatchObject({
      status: 400,
      body: { error: { code } },
    });
  });

  test("cannot hold an envelope", async () => {
    const recipient = await recipientOf(server.url);
    const options = { binding: "/auth/register", now: nowOf(server) };
    const inner = await seal(recipient, newUser(), options);
    const outer = await seal(recipient, { __front_enc__: inner.envelope }, options);
    expect((await send("/auth/register", { __front_enc__: outer.envelope })).body.error?.code).toBe("invalid_request");
  });

  test("without additional data passes in development, and not where it is required", async () => {
    const options = { binding: "/auth/register", now: nowOf(server), withAad: false };
    const loose = await seal(await recipientOf(server.url), newUser(), options);
    const answer = await send("/auth/register", { __front_enc__: loose.envelope });
    expect(answer.status).toBe(201);
    expect(await loose.open(answer.body["__front_enc__"])).toMatchObject({ token_type: "Bearer" });
    const strict = await startAppForTest({ env: { FRONT_ENC_AAD: "required" } });
    const unbound = await seal(await recipientOf(strict.url), newUser(), options);
    const refused = await send("/auth/register", { __front_enc__: unbound.envelope }, strict);
    expect(refused.body.error?.code).toBe("envelope_invalid");
  });

  test("sealed before a rotation still opens, and not after its key was retired", async () => {
    const own = await startAppForTest();
    const recipient = await recipientOf(own.url);
    const options = { binding: "/auth/register", now: nowOf(own) };
    await own.app.keys.rotate();
    await expect.poll(async () => (await recipientOf(own.url)).kid, { timeout: 5_000 }).not.toBe(recipient.kid);
    const sealed = await seal(recipient, newUser(), options);
    expect((await send("/auth/register", { __front_enc__: sealed.envelope }, own)).status).toBe(201);
    await own.app.keys.retire(recipient.kid);
    const late = async () => {
      const { envelope } = await seal(recipient, newUser(), options);
      return (await send("/auth/register", { __front_enc__: envelope }, own)).body.error?.code;
    };
    await expect.poll(late, { timeout: 5_000 }).toBe("envelope_unknown_key");
  });

  test("of a channel is answered as one of a channel that is over", async () => {
    const body = { __session_enc__: { sid: "abc", n: 1, iv: short(12), ct: short(40) } };
    expect(await send("/auth/login", body)).toMatchObject({
      status: 401,
      body: { error: { code: "channel_expired" } },
    });
  });
});

describe("where sealing is required", () => {
  let strict: TestApp;
  let user: Tokens;
  beforeAll(async () => {
    const rule = "sealed-required,auth.v1.AuthService/RefreshToken=plain-allowed";
    strict = await startApp({ env: { ENVELOPE_POLICY: rule } });
    const recipient = await recipientOf(strict.url);
    const sealed = await seal(recipient, newUser(), { binding: "/auth/register", now: nowOf(strict) });
    const answer = await send("/auth/register", { __front_enc__: sealed.envelope }, strict);
    user = (await sealed.open(answer.body["__front_enc__"])) as Tokens;
  });
  afterAll(() => strict[Symbol.asyncDispose]());

  test.each(PROTOCOLS)("a plain call over %s is refused, and the exception is not", async (protocol) => {
    const client = authClient(protocol, strict.url);
    const login = client.login({ identifier: "x", password: PASSWORD });
    expect(await refusalOf(login)).toMatchObject({ reason: "envelope_required" });
    expect(await refusalOf(client.getMe({}, bearer(user.access_token)))).toMatchObject({ reason: "envelope_required" });
    expect((await client.refreshToken({ refreshToken: user.refresh_token })).tokenType).toBe("Bearer");
  });

  test.each([
    ["{}", "envelope_required"],
    ['{"identifier":"x","password":"y"}', "envelope_required"],
    ['{"__front_enc__":null}', "invalid_request"],
  ])("the plain body %s is refused", async (body, code) => {
    expect((await send("/auth/login", body, strict)).body.error?.code).toBe(code);
  });

  test("GET /auth/me is refused, and the key set is not", async () => {
    const headers = { authorization: `Bearer ${user.access_token}` };
    expect((await call(`${strict.url}/auth/me`, { headers })).body).toMatchObject({
      error: { code: "envelope_required" },
    });
    expect((await call(`${strict.url}/.well-known/jwks.json`)).status).toBe(200);
  });
});
