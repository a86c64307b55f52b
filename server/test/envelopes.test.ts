import { create, type DescMethodUnary, toBinary } from "@bufbuild/protobuf";
import type { FrontAnswer, FrontEnvelope, Recipient } from "@sello/envelope";
import { AuthService } from "@sello/gen/auth/v1/auth_service_pb";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { createEnvelopePolicy } from "../src/rpc/sealing.ts";
import { call, newUser, PASSWORD, registerUser } from "./support/client.ts";
import { bindingOf, callBy, type Route, WAYS, type Way } from "./support/each-protocol.ts";
import { publishedKeys, recipientOf, recipientsOf, type SealFor, seal, serverSeconds } from "./support/seal.ts";
import { startApp, startAppForTest, type TestApp } from "./support/start-app.ts";
import { openWire, readRest, sendRpc, type Wire } from "./support/wire.ts";

let server: TestApp;
let wire: Wire;
let rsa: Recipient;
beforeAll(async () => {
  server = await startApp({ env: { LOCKOUT_THRESHOLD: "100000" } });
  wire = openWire(server.url);
  rsa = await recipientOf(server.url, "RSA-OAEP-256");
});
afterAll(async () => {
  await wire[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const { register, login, refreshToken, logout, getMe, changePassword } = AuthService.method;
const REGISTER = { method: register, route: { verb: "POST", path: "/auth/register" } };
const LOGIN = { method: login, route: { verb: "POST", path: "/auth/login" } };
const TOKEN = { method: login, route: { verb: "POST", path: "/auth/token" } };
const REFRESH = { method: refreshToken, route: { verb: "POST", path: "/auth/token/refresh" } };
const LOGOUT = { method: logout, route: { verb: "POST", path: "/auth/logout" } };
const ME = { method: getMe, route: { verb: "GET", path: "/auth/me" } };
const CHANGE = { method: changePassword, route: { verb: "POST", path: "/nowhere" } };
/** A GET has no body to seal, and not every RPC has a route. */
const RPC_WAYS = WAYS.filter((way) => way !== "rest");
const NOBODY = { identifier: "nobody@example.com", password: PASSWORD };

type Call = { method: DescMethodUnary; route: Route };
type To = { app?: TestApp; wire?: Wire; headers?: Record<string, string> };

/** Sends an envelope as it is. */
function sendEnvelope(way: Way, target: Call, envelope: Partial<FrontEnvelope>, to: To = {}) {
  const message = { frontEnc: envelope };
  return callBy(to.wire ?? wire, way, { ...target, message, ...(to.headers && { headers: to.headers }) });
}

/** Seals a body for a call, makes it, and opens the answer. */
async function callSealed(way: Way, target: Call, body: unknown, to: To & Partial<SealFor> = {}) {
  const { app = server, wire: _wire, headers: _headers, ...sealing } = to;
  const options = { recipient: rsa, binding: bindingOf(way, target), ...sealing };
  const { envelope, openAnswer } = await seal(app, body, options);
  const answer = await sendEnvelope(way, target, envelope, to);
  if (!answer.ok) return { ...answer, opened: {} as Record<string, never> };
  const { $typeName: _type, ...members } = (answer.data as unknown as { frontEnc: { $typeName: string } }).frontEnc;
  const opened = Buffer.from(await openAnswer(members as unknown as FrontAnswer)).toString();
  return { ...answer, opened: JSON.parse(opened) as Record<string, never> };
}

describe.each(["RSA-OAEP-256", "ECDH-ES"] as const)("a session sealed with %s", (alg) => {
  test.each(WAYS)("begins, goes on and ends over %s", async (way) => {
    const recipient = await recipientOf(server.url, alg);
    const user = newUser();
    const registered = await callSealed(
      way,
      REGISTER,
      { ...user, data_public: { display_name: "Ada" } },
      { recipient },
    );
    expect(registered.opened).toMatchObject({
      token_type: "Bearer",
      user: { email: user.email, is_admin: false, data_public: { display_name: "Ada" } },
    });
    expect(registered.text).not.toContain(user.email);
    const loggedIn = await callSealed(way, LOGIN, { identifier: user.email, password: user.password }, { recipient });
    const refreshed = await callSealed(
      way,
      REFRESH,
      { refresh_token: loggedIn.opened["refresh_token"] },
      { recipient },
    );
    expect(refreshed.opened["access_token"]).toMatch(/^ey/);
    const ended = await callSealed(way, LOGOUT, { refresh_token: refreshed.opened["refresh_token"] }, { recipient });
    expect(ended.opened).toStrictEqual({});
    const headers = { authorization: `Bearer ${refreshed.opened["access_token"]}` };
    expect((await callBy(wire, way, { ...ME, message: {}, headers })).reason).toBe("token_revoked");
  });

  test.each(RPC_WAYS)("asks who it is and changes its password over %s", async (way) => {
    const recipient = await recipientOf(server.url, alg);
    const { access_token, credentials, user } = await registerUser(server.url);
    const headers = { authorization: `Bearer ${access_token}` };
    const me = await callSealed(way, ME, {}, { recipient, headers });
    expect(me.opened["user"]).toMatchObject({ id: user.id, mfa_enabled: false });
    const body = { current_password: credentials.password, new_password: "another long enough phrase" };
    const changed = await callSealed(way, CHANGE, body, { recipient, headers });
    expect(changed.opened).toStrictEqual({ revoked_sessions: 0 });
  });
});

describe("the answer to a sealed request", () => {
  test("is __front_enc__ and nothing else on the plain routes, with exactly its members", async () => {
    const user = await registerUser(server.url);
    const binding = LOGIN.route.path;
    const { identifier, password } = { identifier: user.credentials.email, password: PASSWORD };
    const { envelope } = await seal(server, { identifier, password }, { recipient: rsa, binding });
    const { body } = await call<{ __front_enc__: object }>(server.url + binding, { body: { __front_enc__: envelope } });
    expect(Object.keys(body)).toStrictEqual(["__front_enc__"]);
    expect(Object.keys(body.__front_enc__).sort()).toStrictEqual(["aad", "ct", "enc", "iv"]);
  });

  test("carries the cookie of cookie mode outside, and no refresh token inside", async () => {
    const answer = await callSealed("rest", REGISTER, { ...newUser(), use_cookie: true });
    expect(answer.headers.getSetCookie()[0]).toMatch(/^refresh=rt_/);
    expect(answer.opened).not.toHaveProperty("refresh_token");
  });

  test.each(WAYS)("travels in clear when it is an error, over %s", async (way) => {
    const answer = await callSealed(way, LOGIN, NOBODY);
    expect(answer).toMatchObject({ ok: false, reason: "invalid_credentials" });
  });
});

describe("a replayed envelope", () => {
  test.each(WAYS)("is accepted once of twenty at once, over %s", async (way) => {
    const { credentials } = await registerUser(server.url);
    const other = await startAppForTest({ databaseUrl: server.databaseUrl, keysDir: server.keysDir });
    await using second = openWire(other.url);
    const body = { identifier: credentials.email, password: PASSWORD };
    const { envelope } = await seal(server, body, { recipient: rsa, binding: bindingOf(way, LOGIN) });
    // Replicas share what was seen in Redis; without it there is one process.
    const wires = inject("redisUrl") === undefined ? [wire] : [wire, second];
    const sends = Array.from({ length: 20 }, (_, i) =>
      sendEnvelope(way, LOGIN, envelope, { wire: wires[i % wires.length] ?? wire }),
    );
    const answers = await Promise.all(sends);
    expect(answers.filter(({ ok }) => ok)).toHaveLength(1);
    expect(answers.filter(({ reason }) => reason === "envelope_replayed")).toHaveLength(19);
  });

  test("is refused though the call itself failed", async () => {
    const { envelope } = await seal(server, NOBODY, { recipient: rsa, binding: LOGIN.route.path });
    expect((await sendEnvelope("rest", LOGIN, envelope)).reason).toBe("invalid_credentials");
    expect((await sendEnvelope("rest", LOGIN, envelope)).reason).toBe("envelope_replayed");
  });

  test("does not spend the jti of another sender's envelope", async () => {
    const jti = "AAECAwQFBgcICQoLDA0ODw";
    const options = { recipient: rsa, binding: LOGIN.route.path, jti };
    const [mine, another] = await Promise.all([seal(server, NOBODY, options), seal(server, NOBODY, options)]);
    expect((await sendEnvelope("rest", LOGIN, another.envelope)).reason).toBe("invalid_credentials");
    expect((await sendEnvelope("rest", LOGIN, mine.envelope)).reason).toBe("invalid_credentials");
  });
});

describe("an envelope moved to another call", () => {
  const MOVES: [string, Way, Call, Way, Call][] = [
    ["from one route to another of the same RPC", "rest", LOGIN, "rest", TOKEN],
    ["from a route to another RPC's", "rest", LOGIN, "rest", REGISTER],
    ["from a route to the RPC's own path", "rest", LOGIN, "connect-json", LOGIN],
    ["from an RPC to its route", "connect-json", LOGIN, "rest", LOGIN],
    ["from an RPC to another", "connect-proto", LOGIN, "connect-proto", REGISTER],
    ["from an RPC to another over gRPC", "grpc", LOGIN, "grpc", REGISTER],
    ["from an RPC to another over gRPC-Web", "grpc-web", LOGIN, "grpc-web", REFRESH],
  ];

  test.each(MOVES)("%s is envelope_invalid", async (_name, fromWay, from, toWay, to) => {
    const { envelope } = await seal(server, NOBODY, { recipient: rsa, binding: bindingOf(fromWay, from) });
    expect((await sendEnvelope(toWay, to, envelope)).reason).toBe("envelope_invalid");
  });

  test("under HTTP_BASE_PATH is bound to the route without the base", async () => {
    const based = await startAppForTest({ env: { HTTP_BASE_PATH: "/api" } });
    await using its = openWire(based.url);
    const options = { app: based, wire: its, recipient: await recipientOf(based.url, "ECDH-ES") };
    const served = { ...LOGIN, route: { verb: "POST", path: "/api/auth/login" } };
    const good = await callSealed("rest", served, NOBODY, { ...options, binding: "/auth/login" });
    expect(good.reason).toBe("invalid_credentials");
    expect((await callSealed("rest", served, NOBODY, options)).reason).toBe("envelope_invalid");
  });
});

describe("the additional data", () => {
  const changed = async (change: (envelope: FrontEnvelope) => Partial<FrontEnvelope>, way: Way) => {
    const { envelope } = await seal(server, NOBODY, { recipient: rsa, binding: bindingOf(way, LOGIN) });
    return (await sendEnvelope(way, LOGIN, change(envelope))).reason;
  };
  const rewritten = (aad: string | undefined, change: (members: Record<string, unknown>) => object) =>
    Buffer.from(JSON.stringify(change(JSON.parse(Buffer.from(aad ?? "", "base64url").toString())))).toString(
      "base64url",
    );

  test.each(WAYS)("cannot be taken away, extended or reordered, over %s", async (way) => {
    expect(await changed(({ aad: _aad, ...rest }) => rest, way)).toBe("envelope_invalid");
    const extended = (envelope: FrontEnvelope) => ({
      ...envelope,
      aad: rewritten(envelope.aad, (m) => ({ ...m, x: 1 })),
    });
    expect(await changed(extended, way)).toBe("envelope_invalid");
    const reordered = (envelope: FrontEnvelope) => ({
      ...envelope,
      aad: rewritten(envelope.aad, ({ b, ts, jti }) => ({ jti, ts, b })),
    });
    expect(await changed(reordered, way)).toBe("envelope_invalid");
  });

  test.each([
    [-61, "envelope_expired"],
    [61, "envelope_expired"],
    [-60, "invalid_credentials"],
    [60, "invalid_credentials"],
  ])("of a clock that is %i seconds off gives %s", async (off, reason) => {
    const now = serverSeconds(server) + off;
    const answers = await Promise.all(WAYS.map((way) => callSealed(way, LOGIN, NOBODY, { now })));
    expect(answers.map((answer) => answer.reason)).toStrictEqual(WAYS.map(() => reason));
  });

  test("may be absent where the server says so", async () => {
    expect((await callSealed("rest", LOGIN, NOBODY, { withAad: false })).reason).toBe("invalid_credentials");
    const { credentials } = await registerUser(server.url);
    const body = { identifier: credentials.email, password: PASSWORD };
    expect((await callSealed("grpc", LOGIN, body, { withAad: false })).opened["token_type"]).toBe("Bearer");
  });

  test("must be there where FRONT_ENC_AAD is required", async () => {
    const strict = await startAppForTest({ env: { FRONT_ENC_AAD: "required" } });
    await using its = openWire(strict.url);
    const options = { app: strict, wire: its, recipient: await recipientOf(strict.url, "RSA-OAEP-256") };
    for (const way of WAYS) {
      expect((await callSealed(way, LOGIN, NOBODY, { ...options, withAad: false })).reason).toBe("envelope_invalid");
      expect((await callSealed(way, LOGIN, NOBODY, options)).reason).toBe("invalid_credentials");
    }
  });
});

describe("a server that takes only sealed requests", () => {
  test("says so on every protocol, and on a GET, exceptions apart", async () => {
    const policy = "sealed-required,auth.v1.AuthService/Logout=plain-allowed";
    const strict = await startAppForTest({ env: { ENVELOPE_POLICY: policy } });
    await using its = openWire(strict.url);
    for (const way of WAYS) {
      for (const [target, message] of [
        [LOGIN, NOBODY],
        [REGISTER, newUser()],
        [REFRESH, { refreshToken: "rt_x" }],
        [ME, {}],
      ] as [Call, Record<string, unknown>][]) {
        const answer = await callBy(its, way, { ...target, message });
        expect({ way, reason: answer.reason }).toStrictEqual({ way, reason: "envelope_required" });
      }
      expect((await callBy(its, way, { ...LOGOUT, message: {} })).ok).toBe(true);
    }
    for (const way of RPC_WAYS) {
      expect((await callBy(its, way, { ...CHANGE, message: {} })).reason).toBe("envelope_required");
    }
    const query = "connect=v1&encoding=json&message=%7B%7D";
    const get = await its.http1({ path: `/auth.v1.AuthService/GetMe?${query}`, method: "GET" });
    expect(JSON.parse(get.body.toString()).code).toBe("failed_precondition");
    const options = { app: strict, wire: its, recipient: await recipientOf(strict.url, "ECDH-ES") };
    for (const way of WAYS) expect((await callSealed(way, LOGIN, NOBODY, options)).reason).toBe("invalid_credentials");
    expect((await publishedKeys(strict.url)).length).toBeGreaterThan(0);
  });

  test("may be one for a single procedure", async () => {
    const some = await startAppForTest({
      env: { ENVELOPE_POLICY: "plain-allowed,auth.v1.AuthService/ChangePassword=sealed-required" },
    });
    await using its = openWire(some.url);
    for (const way of RPC_WAYS) {
      expect((await callBy(its, way, { ...CHANGE, message: {} })).reason).toBe("envelope_required");
      expect((await callBy(its, way, { ...LOGIN, message: NOBODY })).reason).toBe("invalid_credentials");
    }
  });

  test("does not start with an exception for a procedure that there is not", () => {
    const exceptions = new Map([["auth.v1.AuthService/Logon", "plain-allowed" as const]]);
    expect(() => createEnvelopePolicy({ rule: "sealed-required", exceptions }, AuthService.methods)).toThrow(
      "ENVELOPE_POLICY: auth.v1.AuthService/Logon is no procedure of this server",
    );
  });
});

describe("a mixture", () => {
  const sealedLogin = async (binding: string) => (await seal(server, NOBODY, { recipient: rsa, binding })).envelope;
  const SESSION = { sid: "AAAA", n: 1, iv: "AAAA", ct: "AAAA" };
  const PATHS = ["/auth/login", "/auth.v1.AuthService/Login"];

  const MIXTURES: [string, (envelope: FrontEnvelope) => string][] = [
    ["a plain field beside an envelope", (e) => JSON.stringify({ __front_enc__: e, password: "x" })],
    ["a field of its default value beside one", (e) => JSON.stringify({ __front_enc__: e, password: "" })],
    ["an unknown field beside one", (e) => JSON.stringify({ __front_enc__: e, later: 1 })],
    ["a null field beside one", (e) => JSON.stringify({ __front_enc__: e, password: null })],
    ["both kinds", (e) => JSON.stringify({ __front_enc__: e, __session_enc__: SESSION })],
    ["null", () => '{"__front_enc__":null}'],
    ["null beside plain fields", () => JSON.stringify({ __front_enc__: null, ...NOBODY })],
    ["an array of one", (e) => JSON.stringify({ __front_enc__: [e] })],
    ["a text", () => '{"__front_enc__":"x"}'],
    ["the same twice", (e) => `{"__front_enc__":${JSON.stringify(e)},"__front_enc__":${JSON.stringify(e)}}`],
    ["the same twice, once escaped", (e) => `{"__front_enc__":{},"__front\\u005fenc__":${JSON.stringify(e)}}`],
    ["the same by both its names", (e) => JSON.stringify({ __front_enc__: e, front_enc: e })],
    ["one in an array", (e) => JSON.stringify([{ __front_enc__: e }])],
    ["a member twice within", (e) => JSON.stringify({ __front_enc__: e }).replace('{"kid"', '{"kid":"x","kid"')],
  ];

  test.each(MIXTURES)("of %s is invalid_request over REST and Connect", async (_name, bodyOf) => {
    for (const path of PATHS) {
      const headers = { "content-type": "application/json" };
      const raw = await wire.http1({ path, headers, body: bodyOf(await sealedLogin(path)) });
      expect(raw.status).toBe(400);
      expect(raw.body.toString()).toMatch(/invalid_(request|argument)/);
      expect(raw.body.toString()).not.toContain("access");
    }
  });

  test.each(RPC_WAYS)("of an envelope and a plain field is invalid_request over %s", async (way) => {
    const frontEnc = await sealedLogin(bindingOf(way, LOGIN));
    const mixed = await callBy(wire, way, { ...LOGIN, message: { frontEnc, password: "x" } });
    expect(mixed.reason).toBe("invalid_request");
    const both = await callBy(wire, way, { ...LOGIN, message: { frontEnc, sessionEnc: SESSION } });
    expect(both.reason).toBe("invalid_request");
  });

  test("of an envelope and an unknown field is invalid_request in binary", async () => {
    const frontEnc = await sealedLogin(bindingOf("grpc", LOGIN));
    const unknown = Buffer.from([0xf8, 0x3f, 0x01]);
    const payload = Buffer.concat([toBinary(login.input, create(login.input, { frontEnc })), unknown]);
    for (const way of ["connect-proto", "grpc-web", "grpc"] as const) {
      const answer = await sendRpc(wire, way, { path: bindingOf(way, LOGIN), payload });
      expect(answer.reason).toBe("invalid_request");
    }
  });

  test.each(WAYS)("with a channel that was never opened is channel_expired over %s", async (way) => {
    for (const sessionEnc of [SESSION, {}]) {
      const answer = await callBy(wire, way, { ...LOGIN, message: { sessionEnc } });
      expect(answer.reason).toBe("channel_expired");
    }
  });
});

describe("a key", () => {
  test("that is unknown is envelope_unknown_key", async () => {
    for (const kid of ["unknown", "__proto__", "constructor", "../keys/x.json", "", "x".repeat(128)]) {
      const { envelope } = await seal(server, NOBODY, { recipient: rsa, binding: LOGIN.route.path });
      expect((await sendEnvelope("rest", LOGIN, { ...envelope, kid })).reason).toBe("envelope_unknown_key");
    }
  });

  test("for tokens opens no envelope", async () => {
    const others = (await publishedKeys(server.url)).filter(({ use }) => use !== "enc_front");
    expect(others.map(({ use }) => use).sort()).toEqual(expect.arrayContaining(["enc", "sig"]));
    for (const { kid } of others) {
      const { envelope } = await seal(server, NOBODY, { recipient: rsa, binding: LOGIN.route.path });
      expect((await sendEnvelope("grpc", LOGIN, { ...envelope, kid })).reason).toBe("envelope_unknown_key");
    }
  });

  test("goes on in its grace, and is unknown once it is retired", async () => {
    const rotating = await startAppForTest();
    await using its = openWire(rotating.url);
    const [old] = await recipientsOf(rotating.url);
    const options = { app: rotating, wire: its, recipient: old ?? rsa };
    await rotating.app.keys.rotate();
    expect((await callSealed("rest", LOGIN, NOBODY, options)).reason).toBe("invalid_credentials");
    expect(await rotating.app.keys.retire(old?.kid ?? "")).toBe(true);
    for (const way of WAYS) {
      const { envelope } = await seal(rotating, NOBODY, { recipient: old ?? rsa, binding: bindingOf(way, LOGIN) });
      await expect
        .poll(async () => (await sendEnvelope(way, LOGIN, envelope, { wire: its })).reason)
        .toBe("envelope_unknown_key");
    }
  });

  test("too long to be one, or none, is envelope_invalid", async () => {
    const { envelope } = await seal(server, NOBODY, { recipient: rsa, binding: LOGIN.route.path });
    const { kid: _kid, ...without } = envelope;
    for (const broken of [{ ...envelope, kid: "x".repeat(3000) }, without]) {
      expect((await sendEnvelope("rest", LOGIN, broken)).reason).toBe("envelope_invalid");
    }
  });
});

describe("a broken envelope", () => {
  const bytes = (length: number) => Buffer.alloc(length, 7).toString("base64url");
  const BROKEN: [string, Partial<FrontEnvelope>][] = [
    ["an unknown alg", { alg: "RSA-OAEP" as FrontEnvelope["alg"] }],
    ["the other alg", { alg: "ECDH-ES" }],
    ["alg none", { alg: "none" as FrontEnvelope["alg"] }],
    ["another enc", { enc: "A128GCM" as FrontEnvelope["enc"] }],
    ["an 11-byte IV", { iv: bytes(11) }],
    ["a 16-byte IV", { iv: bytes(16) }],
    ["an empty ct", { ct: "" }],
    ["a tag and nothing else", { ct: bytes(16) }],
    ["a 15-byte ct", { ct: bytes(15) }],
    ["a 4-byte ct", { ct: bytes(4) }],
    ["another ct", { ct: bytes(64) }],
    ["a ct with padding", { ct: `${bytes(32)}=` }],
    ["a ct in the standard alphabet", { ct: "++//".repeat(10) }],
    ["a cek of another length", { cek: bytes(255) }],
    ["a cek that is a key", { cek: bytes(32) }],
    ["a cek over the modulus", { cek: Buffer.alloc(256, 0xff).toString("base64url") }],
    ["an aad over its limit", { aad: bytes(1025) }],
    ["an epk beside the cek", { epk: { kty: "OKP", crv: "X25519", x: bytes(32) } }],
  ];

  test.each(BROKEN)("with %s is envelope_invalid, in the same words, on every protocol", async (_name, broken) => {
    const answers = await Promise.all(
      WAYS.map(async (way) => {
        const { envelope } = await seal(server, NOBODY, { recipient: rsa, binding: bindingOf(way, LOGIN) });
        return sendEnvelope(way, LOGIN, { ...envelope, ...broken });
      }),
    );
    for (const { reason, message } of answers) {
      expect({ reason, message }).toStrictEqual({
        reason: "envelope_invalid",
        message: "The envelope could not be opened.",
      });
    }
  });

  test.each([
    ["of small order", { kty: "OKP", crv: "X25519", x: bytes(0) }],
    ["off the curve", { kty: "EC", crv: "P-256", x: bytes(32), y: bytes(32) }],
    ["of another curve", { kty: "OKP", crv: "X25519", x: bytes(32) }],
    ["without a coordinate", { kty: "EC", crv: "P-256", x: bytes(32) }],
    ["of nothing", { kty: "", crv: "", x: "" }],
  ])("with a sender's key %s is envelope_invalid", async (_name, epk) => {
    const ecdh = await recipientOf(server.url, "ECDH-ES");
    const { envelope } = await seal(server, NOBODY, { recipient: ecdh, binding: bindingOf("grpc", LOGIN) });
    expect((await sendEnvelope("grpc", LOGIN, { ...envelope, epk })).reason).toBe("envelope_invalid");
  });

  test("of two megabytes is too large", async () => {
    const { envelope } = await seal(server, NOBODY, { recipient: rsa, binding: LOGIN.route.path });
    const huge = { ...envelope, ct: "A".repeat(2_000_000) };
    const answers = await Promise.all(WAYS.map((way) => sendEnvelope(way, LOGIN, huge)));
    expect(answers.map(({ reason }) => reason)).toStrictEqual(WAYS.map(() => "payload_too_large"));
    expect(answers[0]?.status).toBe(413);
  });

  test("with members of another type is invalid_request", async () => {
    for (const member of ["kid", "iv", "ct", "aad", "epk"]) {
      const body = JSON.stringify({ __front_enc__: { [member]: 1 } });
      const raw = await wire.http1({ path: "/auth/login", headers: { "content-type": "application/json" }, body });
      expect(readRest(raw)).toMatchObject({ status: 400, reason: "invalid_request" });
    }
  });
});

describe("the content of an envelope", () => {
  const nested = async () => (await seal(server, NOBODY, { recipient: rsa, binding: LOGIN.route.path })).envelope;
  const CONTENTS: [string, () => string | Uint8Array | Promise<string>][] = [
    ["deep JSON", () => `{"later":${"[".repeat(10_000)}${"]".repeat(10_000)}}`],
    ["no JSON", () => "not json"],
    ["half a JSON", () => '{"identifier":'],
    ["JSON null", () => "null"],
    ["a JSON array", () => "[]"],
    ["a JSON text", () => '"x"'],
    ["invalid UTF-8", () => Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d)],
    ["a byte order mark", () => "\ufeff{}"],
    ["a member twice", () => '{"identifier":"a","identifier":"b"}'],
    ["a wrong type", () => '{"identifier":{}}'],
    ["another envelope", async () => JSON.stringify({ __front_enc__: await nested() })],
    ["an empty envelope", () => '{"__front_enc__":{}}'],
    ["no envelope", () => '{"__front_enc__":null}'],
    ["another envelope beside plain fields", async () => JSON.stringify({ front_enc: await nested(), ...NOBODY })],
    ["a channel's envelope", () => '{"__session_enc__":{"sid":"x"}}'],
  ];

  test.each(CONTENTS)("that is %s is invalid_request, as in the plain form", async (_name, content) => {
    for (const way of WAYS) {
      const answer = await callSealed(way, LOGIN, await content());
      expect({ way, reason: answer.reason }).toStrictEqual({ way, reason: "invalid_request" });
      expect(answer.message).not.toMatch(/token|position|JSON\.parse|utf-8/i);
    }
  });

  test("that names __proto__ pollutes nothing", async () => {
    const content = `{"__proto__":{"identifier":"x","polluted":true},"constructor":{"prototype":{"polluted":true}}}`;
    const answers = await Promise.all(WAYS.map((way) => callSealed(way, LOGIN, content)));
    for (const { reason } of answers) expect(["invalid_credentials", "validation_failed"]).toContain(reason);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  test("is held to the rules of values of the plain form", async () => {
    const answer = await callSealed("rest", REGISTER, { ...newUser(), password: "short" });
    expect(answer.reason).toBe("weak_password");
  });

  test("cannot make a role or an id", async () => {
    const user = newUser();
    const body = { ...user, is_admin: true, roles: ["admin"], id: "00000000-0000-0000-0000-000000000000" };
    const { opened } = await callSealed("grpc", REGISTER, body);
    expect(opened["user"]).toMatchObject({ is_admin: false, roles: ["user"], id: expect.not.stringMatching(/^0000/) });
  });
});
