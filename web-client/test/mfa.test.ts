import { createClient } from "@connectrpc/connect";
import { MfaService } from "@sello/gen/auth/v1/mfa_service_pb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newUser, PASSWORD } from "../../server/test/support/client.ts";
import { codeAt } from "../../server/test/support/mfa.ts";
import { startApp, type TestApp } from "../../server/test/support/start-app.ts";
import { type AuthClient, AuthError, type MfaChallenge } from "../src/index.ts";
import { codeOf } from "./support/codes.ts";
import { openBrowser, type TestBrowser } from "./support/test-browser.ts";

let server: TestApp;
beforeAll(async () => {
  server = await startApp();
});
afterAll(() => server[Symbol.asyncDispose]());

const modes = ["none", "stateless", "stateful"] as const;

/** Somebody who has turned the second factor on in this page. */
async function openMfaPage(browser: TestBrowser, envelope: (typeof modes)[number] = "stateful") {
  const page = browser.openTab({ envelope });
  const { username } = await page.register(newUser());
  const factors = createClient(MfaService, page.transport);
  const { secret } = await factors.enrollTotp({});
  const code = () => codeAt(secret, server.clock.now());
  const { recoveryCodes } = await factors.confirmTotp({ code: code() });
  browser.pass(60);
  return { page, factors, username, code, recoveryCodes };
}

async function challengeOf(page: AuthClient, identifier: string): Promise<MfaChallenge> {
  const result = await page.login({ identifier, password: PASSWORD });
  expect(result).toStrictEqual({
    mfaRequired: true,
    challenge: expect.stringMatching(/^mfa_/),
    methods: ["totp", "recovery_code"],
    expiresIn: 300,
  });
  return result as MfaChallenge;
}

describe.each(modes)("with %s envelopes", (envelope) => {
  test("a user turns the second factor on, logs in with it, and turns it off", async () => {
    const browser = openBrowser(server);
    const { page, username, code, recoveryCodes } = await openMfaPage(browser, envelope);
    expect(recoveryCodes).toHaveLength(10);
    expect((await page.me()).mfaEnabled).toBe(true);
    await page.logout();

    const { challenge } = await challengeOf(page, username);
    expect([page.isLoggedIn, page.user, browser.cookies.size]).toStrictEqual([false, undefined, 0]);
    expect(await codeOf(page.verifyMfa({ challenge, code: "ZZZZ-ZZZZ-ZZZZ-ZZZZ" }))).toBe("mfa_invalid");
    const user = await page.verifyMfa({ challenge, code: code() });
    expect([page.isLoggedIn, page.user, user.username]).toStrictEqual([true, user, username]);
    expect([...browser.cookies.values()]).toStrictEqual([expect.stringMatching(/^rt_/)]);
    expect(await page.refresh()).toStrictEqual(user);

    browser.pass(60);
    expect(await page.getFactors()).toMatchObject({ factors: [{ kind: "totp" }], recoveryCodesLeft: 10 });
    expect(await page.regenerateRecoveryCodes()).toHaveLength(10);
    expect(await codeOf(page.enrollTotp())).toBe("conflict");
    await page.disableTotp(code());
    expect(page.user?.mfaEnabled).toBe(false);
    expect(await page.login({ identifier: username, password: PASSWORD })).toMatchObject({ username });
  });

  test("a login of a while ago is refused, and proven anew, without a refresh or a logout", async () => {
    const browser = openBrowser(server);
    const logouts: AuthError[] = [];
    const { username, code } = await openMfaPage(browser, envelope);
    const page = browser.openTab({ envelope, onLogout: (error) => logouts.push(error) });
    const { challenge } = await challengeOf(page, username);
    await page.verifyMfa({ challenge, code: code() });
    const factors = createClient(MfaService, page.transport);

    browser.pass(601);
    const error = await factors.regenerateRecoveryCodes({}).catch((caught) => authErrorOf(caught));
    expect(error).toMatchObject({ code: "reauthentication_required" });
    expect([browser.count("RefreshToken"), page.isLoggedIn, logouts]).toStrictEqual([0, true, []]);
    expect(await codeOf(page.reauthenticate({ password: PASSWORD }))).toBe("validation_failed");
    expect(await codeOf(page.reauthenticate({ password: "wrong", code: code() }))).toBe("invalid_credentials");

    const before = browser.sent.at(-1)?.authorization;
    await page.reauthenticate({ password: PASSWORD, code: code() });
    expect((await factors.regenerateRecoveryCodes({})).recoveryCodes).toHaveLength(10);
    expect(browser.sent.at(-1)?.authorization).not.toBe(before);
    expect(browser.count("RefreshToken")).toBe(0);
  });
});

describe("a challenge", () => {
  test("leaves the session alone that the page has", async () => {
    const browser = openBrowser(server);
    const { page, username } = await openMfaPage(browser);
    const { user } = page;
    await challengeOf(page, username);
    expect([page.isLoggedIn, page.user]).toStrictEqual([true, user]);
    expect((await page.me()).username).toBe(username);
  });

  test("does not log in when a logout came while its code was on the way", async () => {
    const browser = openBrowser(server);
    const { page, username, code } = await openMfaPage(browser);
    const { challenge } = await challengeOf(page, username);
    const held = browser.hold("VerifyMfa");
    const verified = codeOf(page.verifyMfa({ challenge, code: code() }));
    await held.arrived;
    const out = page.logout();
    held.release();
    expect([await verified, await out, page.isLoggedIn]).toStrictEqual(["cancelled", undefined, false]);
  });

  test("can be aborted like any other call", async () => {
    const { page } = await openMfaPage(openBrowser(server));
    const answer = { challenge: "mfa_x", code: "123456" };
    expect(await codeOf(page.verifyMfa(answer, { signal: AbortSignal.abort() }))).toBe("cancelled");
  });
});

test("a page turns the second factor on by the client's own calls, and the user knows of it", async () => {
  const page = openBrowser(server).openTab();
  await page.register(newUser());
  const { secret, otpauthUri, qrSvg } = await page.enrollTotp();
  expect([otpauthUri, qrSvg]).toStrictEqual([expect.stringContaining(secret), expect.stringMatching(/^<svg /)]);
  const made = await page.confirmTotp(codeAt(secret, server.clock.now()));
  expect(made).toStrictEqual({ recoveryCodes: expect.any(Array), revokedSessions: 0 });
  expect(page.user?.mfaEnabled).toBe(true);
});

test("a fresh token that comes after a logout is thrown away", async () => {
  const browser = openBrowser(server);
  const page = browser.openTab();
  await page.register(newUser());
  const held = browser.hold("Reauthenticate");
  const proven = page.reauthenticate({ password: PASSWORD });
  await held.arrived;
  const out = page.logout();
  held.release();
  await Promise.allSettled([proven, out]);
  expect(page.isLoggedIn).toBe(false);
  expect(await codeOf(page.me())).toBe("token_missing");
});

/** A generated client wraps what the transport rejects with. */
function authErrorOf(error: unknown): unknown {
  return error instanceof AuthError ? error : (error as Error).cause;
}
