import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newUser, PASSWORD } from "../../server/test/support/client.ts";
import { startApp, type TestApp } from "../../server/test/support/start-app.ts";
import type { AuthError, EnvelopeMode } from "../src/index.ts";
import { codeOf } from "./support/codes.ts";
import { openBrowser } from "./support/test-browser.ts";

const ACCESS_TTL_S = 900;

let server: TestApp;
beforeAll(async () => {
  // Channels outlive tokens here, so that the end of one is not mistaken for the end of the other.
  server = await startApp({ env: { CHANNEL_TTL_S: "3600" } });
});
afterAll(() => server[Symbol.asyncDispose]());

const times = <T>(count: number, make: () => T) => Array.from({ length: count }, make);
const refusal = (code: string, status: number, headers: Record<string, string> = {}) =>
  Response.json({ code, message: "" }, { status, headers });

/** Somebody logged in, whose token the server does not take any more and the page does not know. */
async function expired(envelope: EnvelopeMode = "none") {
  const browser = openBrowser(server);
  const reasons: AuthError[] = [];
  const page = browser.openTab({ envelope, monotonicMs: () => 0, onLogout: (reason) => reasons.push(reason) });
  await page.register(newUser());
  server.clock.advance(ACCESS_TTL_S + 60);
  return { browser, page, reasons };
}

describe("an expired token", () => {
  test.each(["none", "stateless", "stateful"] as const)(
    "costs one refresh for 20 waiting calls, each made once more, with %s envelopes",
    async (envelope) => {
      const { browser, page, reasons } = await expired(envelope);
      const pages = await Promise.all(times(20, () => page.listSessions()));
      expect(pages.map(({ sessions }) => sessions.length)).toStrictEqual(times(20, () => 1));
      expect([browser.count("RefreshToken"), page.isLoggedIn, reasons]).toStrictEqual([1, true, []]);
      expect(browser.count("ListSessions")).toBe(40);
    },
  );

  test("costs an apiCall nothing but time", async () => {
    const { browser, page } = await expired();
    const options = { method: "GET", envelope: "none" } as const;
    expect(await page.apiCall(`${server.url}/auth/me`, undefined, options)).toMatchObject({
      user: { id: page.user?.id },
    });
    expect(browser.count("RefreshToken")).toBe(1);
  });

  test("that is about to expire is refreshed before the call", async () => {
    const browser = openBrowser(server);
    const page = browser.openTab();
    await page.register(newUser());
    browser.pass(ACCESS_TTL_S - 31);
    await page.listSessions();
    expect(browser.count("RefreshToken")).toBe(0);
    browser.pass(2);
    await page.listSessions();
    expect([browser.count("RefreshToken"), browser.count("ListSessions")]).toStrictEqual([1, 2]);
  });

  test("that cannot be refreshed costs one failure for all 20", async () => {
    const browser = openBrowser(server);
    const page = browser.openTab({ envelope: "none" });
    await page.register(newUser());
    browser.pass(ACCESS_TTL_S);
    browser.intercept("RefreshToken", async () => refusal("unavailable", 503));
    const codes = await Promise.all(times(20, () => codeOf(page.me())));
    expect(codes).toStrictEqual(times(20, () => "unavailable"));
    expect(browser.count("RefreshToken")).toBe(1);
  });

  test("that a login replaces costs no refresh", async () => {
    const { browser, page } = await expired();
    const who = { identifier: page.user?.username ?? "", password: PASSWORD };
    const answer = browser.hold("Login");
    const login = page.login(who);
    await answer.arrived;
    const me = browser.hold("GetMe");
    const call = page.me();
    await me.arrived;
    me.release();
    answer.release();
    expect(await login).toMatchObject({ id: (await call).id });
    expect(browser.count("RefreshToken")).toBe(0);
  });

  test("that another call has replaced meanwhile costs no refresh", async () => {
    const { browser, page } = await expired();
    const late = browser.hold("ListSessions");
    const call = page.listSessions();
    await late.arrived;
    await page.me();
    late.release();
    expect((await call).sessions).toHaveLength(1);
    expect(browser.count("RefreshToken")).toBe(1);
  });

  test("fails only the call whose caller has gone: the others get their refresh", async () => {
    const { browser, page } = await expired();
    const refresh = browser.hold("RefreshToken");
    const controller = new AbortController();
    const impatient = codeOf(page.me({ signal: controller.signal }));
    const patient = page.me();
    await refresh.arrived;
    controller.abort();
    expect(await impatient).toBe("cancelled");
    refresh.release();
    expect((await patient).id).toBe(page.user?.id);
    expect(browser.count("RefreshToken")).toBe(1);
  });
});

describe("two tabs", () => {
  test("that refresh at once stay logged in, both", async () => {
    const browser = openBrowser(server);
    const tabs = [browser.openTab(), browser.openTab()];
    await tabs[0]?.register(newUser());
    await tabs[1]?.restore();
    browser.pass(ACCESS_TTL_S);
    await Promise.all(tabs.map((tab) => tab.me()));
    browser.pass(ACCESS_TTL_S);
    await Promise.all(tabs.map((tab) => tab.me()));
    expect(tabs.map(({ isLoggedIn }) => isLoggedIn)).toStrictEqual([true, true]);
  });

  test("share a logout: the other one learns it with its next call", async () => {
    const browser = openBrowser(server);
    const reasons: AuthError[] = [];
    const [one, other] = [browser.openTab(), browser.openTab({ onLogout: (reason) => reasons.push(reason) })];
    await one.register(newUser());
    await other.restore();
    await one.logout();
    expect(await codeOf(other.me())).toBe("refresh_invalid");
    expect([other.isLoggedIn, reasons.map(({ code }) => code)]).toStrictEqual([false, ["refresh_invalid"]]);
  });

  test("never act for each other's users, not even by a refresh before the call", async () => {
    const browser = openBrowser(server);
    const [one, other] = [browser.openTab(), browser.openTab()];
    await one.register(newUser());
    await other.restore();
    browser.pass(ACCESS_TTL_S - 10);
    const second = await one.register(newUser());
    expect(await codeOf(other.revokeSession(crypto.randomUUID()))).toBe("user_changed");
    expect([browser.count("RevokeSession"), other.user]).toStrictEqual([0, second]);
  });

  test("never act for each other's users: a call is not made again in another name", async () => {
    const browser = openBrowser(server);
    const [one, other] = [browser.openTab(), browser.openTab({ envelope: "none" })];
    await one.register(newUser());
    await other.restore();
    await one.logout();
    const second = await one.register(newUser());
    expect(await codeOf(other.revokeSession(crypto.randomUUID()))).toBe("user_changed");
    expect(browser.count("RevokeSession")).toBe(1);
    expect([other.user, other.isLoggedIn]).toStrictEqual([second, true]);
  });
});

describe("only a real end of the session logs out", () => {
  test("a refresh token that was used before does, with an event", async () => {
    const browser = openBrowser(server);
    const reasons: AuthError[] = [];
    const page = browser.openTab({ onLogout: (reason) => reasons.push(reason) });
    await page.register(newUser());
    const stolen = new Map(browser.cookies);
    await page.refresh();
    browser.pass(60);
    for (const [name, value] of stolen) browser.cookies.set(name, value);
    expect(await codeOf(page.refresh())).toBe("refresh_reused");
    expect([page.isLoggedIn, page.user]).toStrictEqual([false, undefined]);
    expect(reasons.map(({ code }) => code)).toStrictEqual(["refresh_reused"]);
    expect(await codeOf(page.me())).toBe("token_missing");
  });

  test("a session past its life does", async () => {
    const browser = openBrowser(server);
    const page = browser.openTab();
    await page.register(newUser());
    browser.pass(604_801);
    expect(await codeOf(page.me())).toBe("refresh_expired");
    expect(page.isLoggedIn).toBe(false);
  });

  test("a server that is down does not, and the next call after it is back works", async () => {
    const { browser, page, reasons } = await expired();
    const restored = browser.cutOff();
    expect(await codeOf(page.me())).toBe("offline");
    expect([page.isLoggedIn, reasons]).toStrictEqual([true, []]);
    restored();
    expect((await page.me()).id).toBe(page.user?.id);
  });

  test.each([
    ["unavailable", () => new Response("<h1>Bad gateway</h1>", { status: 502 })],
    ["unavailable", () => refusal("unavailable", 503)],
    ["internal", () => refusal("internal", 500)],
    ["rate_limited", () => refusal("resource_exhausted", 429, { "retry-after": "7" })],
  ])("a refresh that is answered with %s does not", async (code, answer) => {
    const { browser, page, reasons } = await expired();
    const end = browser.intercept("RefreshToken", async () => answer());
    expect(await codeOf(page.me())).toBe(code);
    expect([page.isLoggedIn, reasons]).toStrictEqual([true, []]);
    end();
    expect((await page.me()).id).toBe(page.user?.id);
  });

  test("a refresh whose answer is lost does not: it is asked again at once", async () => {
    const { browser, page, reasons } = await expired();
    const end = browser.intercept("RefreshToken", async (go) => {
      end();
      const kept = new Map(browser.cookies);
      await go();
      for (const [name, value] of kept) browser.cookies.set(name, value);
      throw new TypeError("Failed to fetch");
    });
    expect((await page.me()).id).toBe(page.user?.id);
    expect([browser.count("RefreshToken"), reasons]).toStrictEqual([2, []]);
  });

  test("a failure while the token is still good for a moment does not even show", async () => {
    const browser = openBrowser(server);
    const page = browser.openTab();
    await page.register(newUser());
    browser.pass(ACCESS_TTL_S - 5);
    browser.intercept("RefreshToken", async () => refusal("unavailable", 503));
    expect((await page.me()).id).toBe(page.user?.id);
  });

  test("a restore under way is waited for by the calls after it", async () => {
    const browser = openBrowser(server);
    const user = await browser.openTab().register(newUser());
    const page = browser.openTab();
    const [restored, me] = await Promise.all([page.restore(), page.me()]);
    expect([restored, me]).toStrictEqual([user, user]);
  });

  test("a restore that finds no network says so, and finds the session later", async () => {
    const browser = openBrowser(server);
    const user = await browser.openTab().register(newUser());
    const page = browser.openTab();
    const restored = browser.cutOff();
    expect(await codeOf(page.restore())).toBe("offline");
    restored();
    expect(await page.restore()).toStrictEqual(user);
  });
});

describe("a logout", () => {
  test("is not undone by a refresh that was under way", async () => {
    const { browser, page, reasons } = await expired();
    const refresh = browser.hold("RefreshToken");
    const call = codeOf(page.me());
    await refresh.arrived;
    const logout = page.logout();
    expect(page.isLoggedIn).toBe(false);
    refresh.release();
    await logout;
    expect(await call).toBe("token_expired");
    expect([page.isLoggedIn, page.user, browser.cookies.size, reasons]).toStrictEqual([false, undefined, 0, []]);
    expect(await browser.openTab().restore()).toBeUndefined();
  });

  test("overtakes a login that was under way", async () => {
    const browser = openBrowser(server);
    const page = browser.openTab({ envelope: "none" });
    const answer = browser.hold("Register");
    const registration = codeOf(page.register(newUser()));
    await answer.arrived;
    const logout = page.logout();
    answer.release();
    expect(await registration).toBe("cancelled");
    await logout;
    expect([page.isLoggedIn, await browser.openTab().restore()]).toStrictEqual([false, undefined]);
  });

  test("forgets the user at once when the server is down, and says that the server does not know", async () => {
    const browser = openBrowser(server);
    const page = browser.openTab({ envelope: "none" });
    await page.register(newUser());
    const restored = browser.cutOff();
    const logout = codeOf(page.logout());
    expect(page.isLoggedIn).toBe(false);
    expect(await logout).toBe("offline");
    restored();
    await page.logout();
    expect(await browser.openTab().restore()).toBeUndefined();
  });
});
