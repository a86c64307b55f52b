import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newUser, PASSWORD } from "../../server/test/support/client.ts";
import { startApp, type TestApp } from "../../server/test/support/start-app.ts";
import type { AuthClientOptions } from "../src/index.ts";
import { codeOf } from "./support/codes.ts";
import { openBrowser } from "./support/test-browser.ts";

let server: TestApp;
beforeAll(async () => {
  server = await startApp();
});
afterAll(() => server[Symbol.asyncDispose]());

const modes: (Partial<AuthClientOptions> & { envelope: string })[] = [
  { envelope: "none" },
  { envelope: "stateless", alg: "ECDH-ES" },
  { envelope: "stateless", alg: "RSA-OAEP-256" },
  { envelope: "stateful", alg: "ECDH-ES" },
  { envelope: "stateful", alg: "RSA-OAEP-256" },
  { envelope: "stateful", keyShare: "X25519" },
  { envelope: "stateful", keyShare: "none" },
];

describe.each(modes)("with $envelope envelopes $alg $keyShare", (options) => {
  test("a page registers, works with its account and logs out", async () => {
    const browser = openBrowser(server);
    const page = browser.openTab(options);
    const who = newUser();
    const user = await page.register({ ...who, dataPublic: { displayName: "Somebody" } });
    expect(user).toMatchObject({ email: who.email, username: who.username, dataPublic: { displayName: "Somebody" } });
    expect([page.isLoggedIn, page.user]).toStrictEqual([true, user]);
    expect(await page.me()).toStrictEqual(user);

    const password = `${PASSWORD} and another`;
    await page.login({ identifier: who.username, password: PASSWORD });
    expect(await page.changePassword({ currentPassword: PASSWORD, newPassword: password })).toStrictEqual({
      revokedSessions: 1,
    });
    await openBrowser(server).openTab(options).login({ identifier: who.email, password });
    const { sessions } = await page.listSessions({ pageSize: 10 });
    expect(sessions.map(({ current }) => current).sort()).toStrictEqual([false, true]);
    await page.revokeSession(sessions.find(({ current }) => !current)?.id ?? "");
    expect((await page.listSessions()).sessions).toHaveLength(1);

    expect(await page.refresh()).toStrictEqual(user);
    await page.logout();
    expect([page.isLoggedIn, page.user, browser.cookies.size]).toStrictEqual([false, undefined, 0]);
    expect(await codeOf(page.me())).toBe("token_missing");
  });

  test("a page load takes up the session of the cookie, and finds none where there is none", async () => {
    const browser = openBrowser(server);
    expect(await browser.openTab(options).restore()).toBeUndefined();
    const user = await browser.openTab(options).register(newUser());
    const reloaded = browser.openTab(options);
    expect([reloaded.isLoggedIn, await reloaded.restore(), reloaded.isLoggedIn]).toStrictEqual([false, user, true]);
    expect(await reloaded.me()).toStrictEqual(user);
  });

  test("an error has the code and the words of the server", async () => {
    const page = openBrowser(server).openTab(options);
    await expect(page.login({ identifier: newUser().username, password: PASSWORD })).rejects.toMatchObject({
      name: "AuthError",
      code: "invalid_credentials",
      message: "The username, email or password is wrong.",
    });
  });

  test("the refresh token is in the cookie and nowhere that a script could read", async () => {
    const browser = openBrowser(server);
    const answers: string[] = [];
    const inspect = ({ opened }: { opened: string }) => answers.push(opened);
    const page = browser.openTab({ ...options, inspect });
    await page.register(newUser());
    await page.refresh();
    const [token = "", ...others] = browser.cookies.values();
    expect([token, others]).toStrictEqual([expect.stringMatching(/^rt_/), []]);
    const readable = JSON.stringify([answers, page.user, browser.sent]);
    expect(readable).not.toContain("refresh_token");
    expect(readable).not.toContain(token);
    expect(answers.length > 0).toBe(options.envelope !== "none");
  });
});

test.each(modes.slice(1))("what a page sends tells nothing, with $envelope $alg $keyShare", async (options) => {
  const browser = openBrowser(server);
  const page = browser.openTab(options);
  const who = newUser();
  await page.register(who);
  await page.listSessions();
  const wire = JSON.stringify(browser.sent.map(({ body }) => body));
  expect(wire).toContain(options.envelope === "stateless" ? "__front_enc__" : "__session_enc__");
  expect(wire).not.toContain(PASSWORD);
  expect(wire).not.toContain(who.username);
});

test("who asks for the user again is not told of news where there is none", async () => {
  const page = openBrowser(server).openTab();
  await page.register(newUser());
  const heard: unknown[] = [];
  page.subscribe((state) => heard.push(state));
  await page.me();
  await page.listSessions();
  expect(heard).toStrictEqual([]);
});

test("whoever listens hears of every login and logout, until told otherwise", async () => {
  const page = openBrowser(server).openTab();
  const heard: boolean[] = [];
  const stop = page.subscribe(({ isLoggedIn }) => heard.push(isLoggedIn));
  const who = newUser();
  await page.register(who);
  await page.logout();
  stop();
  await page.login({ identifier: who.email, password: PASSWORD });
  expect(heard).toStrictEqual([true, false]);
});
