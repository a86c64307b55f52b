import { AuthService } from "@sello/gen/auth/v1/auth_service_pb";
import { MfaService } from "@sello/gen/auth/v1/mfa_service_pb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PASSWORD } from "./support/client.ts";
import { callBy, WAYS, type Way } from "./support/each-protocol.ts";
import { registerMfaUser } from "./support/mfa.ts";
import { startApp, type TestApp } from "./support/start-app.ts";
import { openWire, PROTOCOLS, type Wire } from "./support/wire.ts";

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

const { login, verifyMfa, refreshToken, getMe } = AuthService.method;
const post = (path: string) => ({ verb: "POST", path });
const logIn = (way: Way, identifier: string) =>
  callBy(wire, way, { method: login, route: post("/auth/login"), message: { identifier, password: PASSWORD } });
const verify = (way: Way, mfaChallenge: string, code: string) =>
  callBy(wire, way, { method: verifyMfa, route: post("/auth/mfa/verify"), message: { mfaChallenge, code } });

async function challengeBy(way: Way, identifier: string): Promise<string> {
  const { data } = await logIn(way, identifier);
  expect(data).toMatchObject({
    mfaRequired: true,
    mfaChallenge: expect.stringMatching(/^mfa_/),
    mfaMethods: ["totp", "recovery_code"],
    expiresIn: 300,
    accessToken: "",
    tokenType: "",
    refreshExpiresIn: 0,
  });
  expect([data?.refreshToken, data?.user]).toStrictEqual([undefined, undefined]);
  return data?.mfaChallenge ?? "";
}

describe.each(WAYS)("over %s", (way) => {
  test("a login with a second factor gives a challenge alone, and its code one session", async () => {
    const user = await registerMfaUser(server);
    const challenge = await challengeBy(way, user.credentials.email);
    expect(await verify(way, challenge, user.wrong())).toMatchObject({ ok: false, reason: "mfa_invalid" });
    const answers = await Promise.all(Array.from({ length: 4 }, () => verify(way, challenge, user.code())));
    expect(answers.filter(({ ok }) => ok)).toHaveLength(1);
    expect(answers.find(({ ok }) => ok)?.data).toMatchObject({ tokenType: "Bearer", user: { id: user.user.id } });
    expect(answers.filter(({ reason }) => reason === "mfa_invalid")).toHaveLength(3);
  });

  test("a code and a recovery code are each accepted once, of 20 that come at once", async () => {
    const user = await registerMfaUser(server);
    for (const code of [user.code(), user.recoveryCodes[0] ?? ""]) {
      const challenges = await Promise.all(Array.from({ length: 20 }, () => challengeBy(way, user.credentials.email)));
      const answers = await Promise.all(challenges.map((challenge) => verify(way, challenge, code)));
      expect(answers.filter(({ ok }) => ok)).toHaveLength(1);
    }
  });

  test("a challenge that nobody has is answered like one that somebody has", async () => {
    const user = await registerMfaUser(server);
    const answer = async (challenge: string) => {
      const { status, reason, message, code } = await verify(way, challenge, user.wrong());
      return { status, reason, message, code };
    };
    const known = await answer(await challengeBy(way, user.credentials.email));
    expect(known.reason).toBe("mfa_invalid");
    expect(await answer(`mfa_${"x".repeat(43)}`)).toStrictEqual(known);
  });

  test("a challenge is neither an access token nor a refresh token", async () => {
    const user = await registerMfaUser(server);
    const challenge = await challengeBy(way, user.credentials.email);
    const asAccess = await callBy(wire, way, {
      method: getMe,
      route: { verb: "GET", path: "/auth/me" },
      message: {},
      headers: { authorization: `Bearer ${challenge}` },
    });
    const asRefresh = await callBy(wire, way, {
      method: refreshToken,
      route: post("/auth/token/refresh"),
      message: { refreshToken: challenge },
    });
    expect([asAccess.reason, asRefresh.reason]).toStrictEqual(["token_invalid", "refresh_invalid"]);
  });
});

describe.each(PROTOCOLS)("over %s", (way) => {
  test("factors are not changed without a recent proof, and not at all without a token", async () => {
    const user = await registerMfaUser(server);
    server.clock.advance(600);
    for (const method of MfaService.methods.filter(({ name }) => name !== "GetFactors")) {
      const by = (headers: Record<string, string>) =>
        callBy(wire, way, {
          method: method as never,
          route: post(""),
          message: { code: user.code() } as never,
          headers,
        });
      const late = await by({ authorization: `Bearer ${user.access_token}` });
      expect([method.name, late.reason]).toStrictEqual([method.name, "reauthentication_required"]);
      expect((await by({})).reason).toBe("token_missing");
    }
  });
});
