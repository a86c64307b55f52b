import { describe, expect, test } from "vitest";
import { refresh, registerUser, type Tokens } from "./support/client.ts";
import { challengeOf, codeAt, mfa, registerMfaUser, turnOn, verify, wrongCode } from "./support/mfa.ts";
import { profile } from "./support/profile.ts";
import { changePassword, rpc } from "./support/rpc.ts";
import { startAppForTest, type TestApp } from "./support/start-app.ts";
import { countEvents, dumpDatabase } from "./support/stored.ts";
import { tracesOf } from "./support/traces.ts";

const NEXT = "another long passphrase";

async function loginAgain(server: TestApp, email: string): Promise<Tokens> {
  return (await rpcLogin(server, email)).body;
}
const rpcLogin = (server: TestApp, identifier: string) =>
  rpc<Tokens>(server.url, "Login", { body: { identifier, password: "a long enough passphrase" } });

describe("turning the second factor on", () => {
  test("offers a secret as text, as URI and as a picture, and changes nothing yet", async () => {
    const server = await startAppForTest({ env: { MFA_ISSUER: "Example Shop" } });
    const { access_token: token, credentials } = await registerUser(server.url);
    const { status, body } = await mfa<{ secret: string; otpauthUri: string; qrSvg: string }>(
      server.url,
      "EnrollTotp",
      { token },
    );
    expect(status).toBe(200);
    expect(body.secret).toMatch(/^[A-Z2-7]{32}$/);
    const account = encodeURIComponent(credentials.email);
    expect(body.otpauthUri).toBe(
      `otpauth://totp/Example%20Shop:${account}?issuer=Example%20Shop&secret=${body.secret}&algorithm=SHA1&digits=6&period=30`,
    );
    expect(body.qrSvg).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" viewBox="0 0 \d+ \d+"[^>]*>/);
    expect(body.qrSvg).not.toMatch(/<script|<style|<image|<foreignObject|href|\son\w+=|url\(/i);
    expect((await rpcLogin(server, credentials.email)).body).toHaveProperty("accessToken");
  });

  test("takes a code of the secret, shows ten recovery codes, and ends the sessions that had none", async () => {
    const server = await startAppForTest();
    const registered = await registerUser(server.url);
    await loginAgain(server, registered.credentials.email);
    await loginAgain(server, registered.credentials.email);
    const token = registered.access_token;
    const { body } = await mfa<{ secret: string }>(server.url, "EnrollTotp", { token });
    const code = codeAt(body.secret, server.clock.now());
    const confirmed = await mfa(server.url, "ConfirmTotp", { token, body: { code } });
    expect(confirmed.body).toStrictEqual({ recoveryCodes: expect.any(Array), revokedSessions: 2 });
    expect(new Set(confirmed.body["recoveryCodes"] as string[]).size).toBe(10);
    const { body: mine } = await rpc<{ sessions: unknown[] }>(server.url, "ListSessions", { token });
    expect(mine.sessions).toHaveLength(1);
    expect((await refresh(server.url, registered.refresh_token)).status).toBe(200);
    expect(await countEvents(server, "mfa.enrolled", registered.user.id)).toStrictEqual({ audit: 1, outbox: 1 });
  });

  test("is not done by a wrong code, and can be tried again", async () => {
    const server = await startAppForTest();
    const { access_token: token } = await registerUser(server.url);
    const { body } = await mfa<{ secret: string }>(server.url, "EnrollTotp", { token });
    const right = codeAt(body.secret, server.clock.now());
    const around = [-1, 0, 1].map((away) => codeAt(body.secret, server.clock.now(), away));
    const wrong = await mfa(server.url, "ConfirmTotp", { token, body: { code: wrongCode(...around) } });
    expect(wrong.reason).toBe("mfa_invalid");
    expect((await mfa(server.url, "ConfirmTotp", { token, body: { code: right } })).status).toBe(200);
  });

  test("is done by the newest secret alone", async () => {
    const server = await startAppForTest();
    const { access_token: token } = await registerUser(server.url);
    const enroll = async () => (await mfa<{ secret: string }>(server.url, "EnrollTotp", { token })).body.secret;
    const [first, second] = [await enroll(), await enroll()];
    const confirm = (secret: string) =>
      mfa(server.url, "ConfirmTotp", { token, body: { code: codeAt(secret, server.clock.now()) } });
    expect((await confirm(first)).reason).toBe("mfa_invalid");
    expect((await confirm(second)).status).toBe(200);
  });

  test("happens once, of ten confirmations at once", async () => {
    const server = await startAppForTest();
    const { access_token: token, user } = await registerUser(server.url);
    const { body } = await mfa<{ secret: string }>(server.url, "EnrollTotp", { token });
    const code = codeAt(body.secret, server.clock.now());
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => mfa(server.url, "ConfirmTotp", { token, body: { code } })),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ reason }) => reason === "conflict")).toHaveLength(9);
    const { rowCount } = await server.db.query("SELECT FROM recovery_codes WHERE user_id = $1", [user.id]);
    expect(rowCount).toBe(10);
  });

  test("is refused where it is on, or was not asked for", async () => {
    const server = await startAppForTest();
    const { access_token: fresh } = await registerUser(server.url);
    expect((await mfa(server.url, "ConfirmTotp", { token: fresh, body: { code: "123456" } })).reason).toBe("conflict");
    expect((await mfa(server.url, "DisableTotp", { token: fresh, body: { code: "123456" } })).reason).toBe("conflict");
    expect((await mfa(server.url, "RegenerateRecoveryCodes", { token: fresh })).reason).toBe("conflict");
    const { access_token: token, code } = await registerMfaUser(server);
    expect((await mfa(server.url, "EnrollTotp", { token })).reason).toBe("conflict");
    expect((await mfa(server.url, "ConfirmTotp", { token, body: { code: code() } })).reason).toBe("conflict");
  });

  test("opens no session for a login that was under way", async () => {
    const server = await startAppForTest();
    const registered = await registerUser(server.url);
    const token = registered.access_token;
    const { body } = await mfa<{ secret: string }>(server.url, "EnrollTotp", { token });
    const code = codeAt(body.secret, server.clock.now());
    await Promise.all([
      mfa(server.url, "ConfirmTotp", { token, body: { code } }),
      ...Array.from({ length: 12 }, () => rpcLogin(server, registered.credentials.email)),
    ]);
    const { rows } = await server.db.query("SELECT FROM sessions WHERE user_id = $1 AND revoked_at IS NULL", [
      registered.user.id,
    ]);
    expect(rows).toHaveLength(1);
  });
});

describe("a second factor that is on", () => {
  test("is shown with the recovery codes that are left", async () => {
    const server = await startAppForTest();
    const user = await registerMfaUser(server);
    const factors = () => mfa(server.url, "GetFactors", { token: user.access_token });
    const at = expect.stringMatching(/^20\d\d-/);
    const factor = { id: expect.stringMatching(/^[0-9a-f-]{36}$/), kind: "totp", confirmedAt: at, lastUsedAt: at };
    expect((await factors()).body).toStrictEqual({ factors: [factor], recoveryCodesLeft: 10 });
    await verify(server.url, await challengeOf(server, user.credentials.email), user.recoveryCodes[3] ?? "");
    expect((await factors()).body).toMatchObject({ recoveryCodesLeft: 9 });
    const { access_token: other } = await registerUser(server.url);
    expect((await mfa(server.url, "GetFactors", { token: other })).body).toStrictEqual({});
  });

  test("is turned off by a code, and its recovery codes with it", async () => {
    const server = await startAppForTest();
    const user = await registerMfaUser(server);
    const token = user.access_token;
    expect((await mfa(server.url, "DisableTotp", { token, body: { code: user.wrong() } })).reason).toBe("mfa_invalid");
    expect((await mfa(server.url, "DisableTotp", { token, body: { code: user.code() } })).status).toBe(200);
    expect((await rpcLogin(server, user.credentials.email)).body).toHaveProperty("accessToken");
    for (const table of ["mfa_factors", "recovery_codes"]) {
      expect((await server.db.query(`SELECT FROM ${table} WHERE user_id = $1`, [user.user.id])).rowCount).toBe(0);
    }
    expect(await countEvents(server, "mfa.disabled", user.user.id)).toStrictEqual({ audit: 1, outbox: 1 });
    await turnOn(server, user);
  });

  test("is turned off by a recovery code, when the phone is gone", async () => {
    const server = await startAppForTest();
    const user = await registerMfaUser(server);
    const body = { code: user.recoveryCodes[9] ?? "" };
    expect((await mfa(server.url, "DisableTotp", { token: user.access_token, body })).status).toBe(200);
  });

  test("is not turned off by a code that opened a session", async () => {
    const server = await startAppForTest();
    const user = await registerMfaUser(server);
    const { body } = await verify(server.url, await challengeOf(server, user.credentials.email), user.code());
    const answer = await mfa(server.url, "DisableTotp", { token: body.access_token, body: { code: user.code() } });
    expect(answer.reason).toBe("mfa_invalid");
  });

  test("gets new recovery codes, and the old ones are dead", async () => {
    const server = await startAppForTest();
    const user = await registerMfaUser(server);
    const token = user.access_token;
    const made = await Promise.all([
      mfa<{ recoveryCodes: string[] }>(server.url, "RegenerateRecoveryCodes", { token }),
      mfa<{ recoveryCodes: string[] }>(server.url, "RegenerateRecoveryCodes", { token }),
    ]);
    const { body } = await mfa<{ recoveryCodesLeft: number }>(server.url, "GetFactors", { token });
    expect(body.recoveryCodesLeft).toBe(10);
    const use = async (code = "") =>
      (await verify(server.url, await challengeOf(server, user.credentials.email), code)).status;
    expect(await use(user.recoveryCodes[0])).toBe(401);
    const uses = [await use(made[0].body.recoveryCodes[0]), await use(made[1].body.recoveryCodes[0])];
    expect(uses.sort()).toStrictEqual([200, 401]);
  });
});

describe("a login of a while ago", () => {
  const SENSITIVE = ["EnrollTotp", "ConfirmTotp", "DisableTotp", "RegenerateRecoveryCodes"] as const;

  test("is not enough to change factors", async () => {
    const server = await startAppForTest();
    const user = await registerMfaUser(server);
    server.clock.advance(600);
    for (const method of SENSITIVE) {
      const answer = await mfa(server.url, method, { token: user.access_token, body: { code: user.code() } });
      expect([method, answer.reason, answer.headers.get("www-authenticate")]).toStrictEqual([
        method,
        "reauthentication_required",
        'Bearer error="insufficient_user_authentication", max_age="600"',
      ]);
    }
    expect((await mfa(server.url, "GetFactors", { token: user.access_token })).status).toBe(200);
  });

  test("is made recent by the password and a code, and the fresh token says when", async () => {
    const server = await startAppForTest({ env: { ACCESS_TOKEN_NESTED: "false" } });
    const user = await registerMfaUser(server);
    server.clock.advance(800);
    const body = { password: user.credentials.password, code: user.code() };
    const answer = await rpc<{ accessToken: string }>(server.url, "Reauthenticate", { token: user.access_token, body });
    expect(answer.body).toStrictEqual({ accessToken: expect.any(String), tokenType: "Bearer", expiresIn: 900 });
    const payload = JSON.parse(Buffer.from(answer.body.accessToken.split(".")[1] ?? "", "base64url").toString());
    expect(payload["auth_time"]).toBe(Math.floor(server.clock.now().getTime() / 1000));
    for (const token of [answer.body.accessToken, user.access_token]) {
      expect((await mfa(server.url, "RegenerateRecoveryCodes", { token })).status).toBe(200);
    }
    expect(await countEvents(server, "user.reauthenticated", user.user.id)).toMatchObject({ audit: 1 });
  });

  test("is not made recent by the password alone, nor by a code that was used", async () => {
    const server = await startAppForTest();
    const user = await registerMfaUser(server);
    const { body } = await verify(server.url, await challengeOf(server, user.credentials.email), user.code());
    const token = body.access_token;
    const again = (code: string) =>
      rpc(server.url, "Reauthenticate", { token, body: { password: user.credentials.password, code } });
    expect((await again("")).reason).toBe("validation_failed");
    expect((await again(user.code())).reason).toBe("mfa_invalid");
    expect((await again(user.code(1))).status).toBe(200);
  });

  test("is made recent by the password where there is no second factor", async () => {
    const server = await startAppForTest();
    const { access_token: token, credentials } = await registerUser(server.url);
    server.clock.advance(601);
    expect((await mfa(server.url, "EnrollTotp", { token })).reason).toBe("reauthentication_required");
    const wrong = await rpc(server.url, "Reauthenticate", { token, body: { password: NEXT } });
    expect(wrong.reason).toBe("invalid_credentials");
    const { password } = credentials;
    expect((await rpc(server.url, "Reauthenticate", { token, body: { password } })).status).toBe(200);
    expect((await mfa(server.url, "EnrollTotp", { token })).status).toBe(200);
  });

  test("is no wrong code where there is none: a password that was changed meanwhile is told, and not counted", async () => {
    const server = await startAppForTest();
    const { access_token: token, user, credentials } = await registerUser(server.url);
    const { hasher } = server.app.deps;
    const { verify } = hasher;
    const anew = await hasher.hash(credentials.password);
    const verifyAndChange: typeof verify = async (...args) => {
      const matches = await verify(...args);
      await server.db.query("UPDATE users SET password_hash = $2 WHERE id = $1", [user.id, anew]);
      return matches;
    };
    Object.assign(hasher, { verify: verifyAndChange });
    const body = { password: credentials.password };
    expect((await rpc(server.url, "Reauthenticate", { token, body })).reason).toBe("conflict");
    const { rows } = await server.db.query("SELECT FROM login_lockouts WHERE failures > 0");
    expect(rows).toHaveLength(0);
    expect((await rpc(server.url, "Reauthenticate", { token, body })).status).toBe(200);
  });

  test("stays recent through a refresh, and for no longer", async () => {
    const server = await startAppForTest();
    const user = await registerMfaUser(server);
    server.clock.advance(300);
    const { body } = await refresh(server.url, user.refresh_token);
    expect((await mfa(server.url, "RegenerateRecoveryCodes", { token: body.access_token })).status).toBe(200);
    server.clock.advance(300);
    const late = await mfa(server.url, "RegenerateRecoveryCodes", { token: body.access_token });
    expect(late.reason).toBe("reauthentication_required");
  });

  test("is not enough to change the password of who has a second factor", async () => {
    const server = await startAppForTest();
    const [user, plain] = [await registerMfaUser(server), await registerUser(server.url)];
    server.clock.advance(601);
    const change = (token: string) =>
      changePassword(server.url, token, { currentPassword: user.credentials.password, newPassword: NEXT });
    expect((await change(user.access_token)).reason).toBe("reauthentication_required");
    expect((await change(plain.access_token)).status).toBe(200);
    const body = { password: user.credentials.password, code: user.code() };
    await rpc(server.url, "Reauthenticate", { token: user.access_token, body });
    expect((await change(user.access_token)).status).toBe(200);
  });
});

test("an old login is not enough to open or change the private data of who has a second factor", async () => {
  const server = await startAppForTest();
  const [user, plain] = [await registerMfaUser(server), await registerUser(server.url)];
  const { password } = user.credentials;
  const write = (token: string) =>
    profile(server.url, "UpdatePrivateData", {
      token,
      password,
      dataPrivate: { bankAccount: "1" },
      discardStored: true,
    });
  const unlock = (token: string) => profile(server.url, "UnlockPrivateData", { token, password });
  await write(user.access_token);
  server.clock.advance(601);
  expect(await unlock(user.access_token)).toMatchObject({ status: 401, reason: "reauthentication_required" });
  expect((await write(user.access_token)).reason).toBe("reauthentication_required");
  expect((await write(plain.access_token)).status).toBe(200);
  await rpc(server.url, "Reauthenticate", { token: user.access_token, body: { password, code: user.code() } });
  expect(await unlock(user.access_token)).toMatchObject({ status: 200, dataPrivate: { bankAccount: "1" } });
});

test("nothing of a second factor is stored, logged or measured as it is", async () => {
  const server = await startAppForTest({ env: { LOG_LEVEL: "trace" } });
  const user = await registerMfaUser(server);
  const challenge = await challengeOf(server, user.credentials.email);
  const wrong = "ZZZZ-ZZZZ-ZZZZ-ZZZZ";
  await verify(server.url, challenge, wrong);
  await verify(server.url, challenge, user.recoveryCodes[0] ?? "");
  const secrets = [user.secret, challenge, challenge.replace("mfa_", ""), wrong, ...user.recoveryCodes];
  const bare = user.recoveryCodes.map((code) => code.replaceAll("-", ""));
  const metrics = await (await fetch(`http://127.0.0.1:${server.app.metricsPort}/metrics`)).text();
  const places = { log: JSON.stringify(server.logs), database: await dumpDatabase(server.db), metrics };
  expect(places.database).toMatch(/mfa_factors.*kms1\./);
  expect(places.log).toContain("VerifyMfa");
  for (const [place, text] of Object.entries(places)) {
    const found = [...secrets, ...bare].flatMap(tracesOf).filter((trace) => text.includes(trace));
    expect({ place, found }).toStrictEqual({ place, found: [] });
  }
});
