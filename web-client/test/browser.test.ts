import { existsSync } from "node:fs";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BrowserContext } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from "vitest";
import { isRequired } from "../../envelope/test/support/requirements.ts";
import { newUser, PASSWORD } from "../../server/test/support/client.ts";
import { createTestDatabase, dropTestDatabase, startApp, type TestApp } from "../../server/test/support/start-app.ts";
import {
  addClient,
  type ClientOptions,
  chromiumPath,
  countRequests,
  openTab,
  startChromium,
} from "./support/chromium.ts";

/** A token of 10 seconds is good for 40, since clocks may differ by 30; envelopes bear 60. */
const EXPIRED_AFTER_S = 45;

describe.skipIf(!existsSync(chromiumPath) && !isRequired("chromium"))("in Chromium", () => {
  let chromium: Awaited<ReturnType<typeof startChromium>>;
  let databaseUrl: string;
  let folder: string;
  let server: TestApp;
  let context: BrowserContext;
  let aheadMs = 0;

  /** The server of this file on real time, which a test may put ahead. Called again, it is the same one restarted. */
  const start = (port = 0) =>
    startApp({
      databaseUrl,
      keysDir: join(folder, "keys"),
      env: { CORS_ORIGINS: chromium.origin, ACCESS_TTL_S: "10", PORT: String(port) },
      overrides: { clock: { now: () => new Date(Date.now() + aheadMs) } },
    });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "sello-web-client-"));
    await cp(inject("keysDir"), join(folder, "keys"), { recursive: true });
    [chromium, databaseUrl] = await Promise.all([startChromium(), createTestDatabase()]);
    server = await start();
  });
  afterAll(async () => {
    await chromium?.close();
    await server?.[Symbol.asyncDispose]();
    await dropTestDatabase(databaseUrl);
    await rm(folder, { recursive: true });
  });
  beforeEach(async () => {
    aheadMs = 0;
    context = await chromium.newContext();
  });
  afterEach(() => context.close());

  const tab = (options: Partial<ClientOptions> = {}) => openTab(context, { baseUrl: server.url, ...options });

  test.each([
    { envelope: "none" },
    { envelope: "stateless", alg: "ECDH-ES" },
    { envelope: "stateless", alg: "RSA-OAEP-256" },
    { envelope: "stateful", alg: "ECDH-ES" },
    { envelope: "stateful", alg: "RSA-OAEP-256" },
  ] as const)("a page of another origin does all there is to do, with $envelope envelopes $alg", async (options) => {
    const page = await tab(options);
    const who = newUser();
    const seen = await page.evaluate(
      async ({ user, password }) => {
        const registered = await client.register(user);
        const { sessions } = await client.listSessions();
        await client.changePassword({ currentPassword: user.password, newPassword: password });
        await client.logout();
        const loggedIn = await client.login({ identifier: user.username, password });
        return { registered, loggedIn, sessions: sessions.length, me: await client.me() };
      },
      { user: who, password: `${PASSWORD} and another` },
    );
    expect(seen).toMatchObject({ registered: { email: who.email }, loggedIn: { email: who.email }, sessions: 1 });
    expect(seen.me).toStrictEqual(seen.loggedIn);

    await page.reload();
    await addClient(page, { baseUrl: server.url, ...options });
    expect(await page.evaluate(() => client.restore())).toStrictEqual(seen.me);
    await page.evaluate(() => client.logout());
    expect(await context.cookies(server.url)).toStrictEqual([]);
  });

  test("nothing is kept where a script or the next user of the computer could read it", async () => {
    const page = await tab();
    const kept = await page.evaluate(async (user) => {
      await client.register(user);
      await client.refresh();
      const databases = await indexedDB.databases();
      return [
        { ...localStorage },
        { ...sessionStorage },
        databases,
        await caches.keys(),
        document.cookie,
        location.href,
      ];
    }, newUser());
    expect(kept).toStrictEqual([{}, {}, [], [], "", `${chromium.origin}/`]);
    const [cookie] = await context.cookies(server.url);
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: "Strict" });
  });

  test("20 calls with an expired token make one refresh, and two tabs at once stay logged in", async () => {
    const tabs = [await tab({ envelope: "none" }), await tab({ envelope: "stateless" })];
    await tabs[0]?.evaluate((user) => client.register(user), newUser());
    await tabs[1]?.evaluate(() => client.restore());
    aheadMs = EXPIRED_AFTER_S * 1000;
    const counts = tabs.map((page) => countRequests(page, "RefreshToken"));
    const names = await Promise.all(
      tabs.map((page) =>
        page.evaluate(async () => {
          const users = await Promise.all(Array.from({ length: 20 }, () => client.me()));
          return users.filter(({ id }) => id === client.user?.id).length;
        }),
      ),
    );
    expect(names).toStrictEqual([20, 20]);
    expect(counts.map((count) => count())).toStrictEqual([1, 1]);
  });

  test("a clock that is wrong by a day does not matter", async () => {
    await context.addInitScript(() => {
      const { now } = Date;
      Date.now = () => now() + 86_400_000;
    });
    for (const envelope of ["stateless", "stateful"] as const) {
      const page = await tab({ envelope });
      const who = newUser();
      expect(await page.evaluate((user) => client.register(user), who)).toMatchObject({ email: who.email });
    }
  });

  test("a network that is gone is told, and the user is still logged in when it is back", async () => {
    const page = await tab();
    await page.evaluate((user) => client.register(user), newUser());
    await context.setOffline(true);
    const offline = await page.evaluate(async () => {
      const error = await client.me().catch((caught) => caught);
      return [error instanceof selloClient.AuthError, error.code, client.isLoggedIn];
    });
    expect(offline).toStrictEqual([true, "offline", true]);
    await context.setOffline(false);
    expect(await page.evaluate(async () => (await client.me()).id === client.user?.id)).toBe(true);
  });

  test("a server that restarts and forgets its channels goes unnoticed", async () => {
    const page = await tab({ envelope: "stateful" });
    await page.evaluate((user) => client.register(user), newUser());
    const { port } = server.app;
    await server[Symbol.asyncDispose]();
    server = await start(port);
    expect(await page.evaluate(async () => (await client.me()).id === client.user?.id)).toBe(true);
  });

  test("a caller who aborts gets `cancelled`, and the others their answers", async () => {
    const page = await tab({ envelope: "stateful" });
    const codes = await page.evaluate(async (user) => {
      const controller = new AbortController();
      const cancelled = client.me({ signal: controller.signal }).catch(({ code }) => code);
      const registered = client.register(user).then(() => "registered");
      controller.abort();
      return await Promise.all([cancelled, registered]);
    }, newUser());
    expect(codes).toStrictEqual(["cancelled", "registered"]);
  });

  describe("auth.js in a plain <script>", () => {
    const scripted = async (config: object = {}) => {
      const page = await context.newPage();
      await page.goto("/script");
      await page.evaluate(
        (given) => {
          configAuth(given as { serverUrl: string });
        },
        { serverUrl: server.url, ...config },
      );
      return page;
    };

    test.each(["none", "stateless", "stateful"] as const)(
      "registers, logs in, calls and logs out by global functions, with %s envelopes",
      async (envelope) => {
        const page = await scripted({ envelope });
        const who = newUser();
        const seen = await page.evaluate(
          async ({ user, url }) => {
            const registered = await register(user.email, user.username, user.password);
            await logout();
            const loggedIn = await login(user.email, user.password);
            const answer = await apiCall({ identifier: user.username, password: user.password }, `${url}/auth/login`);
            const wrong = await login(user.email, "wrong").catch((error) => [error instanceof AuthError, error.code]);
            return { registered, loggedIn, answer, wrong };
          },
          { user: who, url: server.url },
        );
        expect(seen).toMatchObject({
          registered: { username: who.username, createdAt: expect.stringMatching(/Z$/) },
          loggedIn: { email: who.email },
          answer: { user: { username: who.username } },
          wrong: [true, "invalid_credentials"],
        });
      },
    );

    test("refuses a server whose keys are not the pinned ones", async () => {
      const pinned = await crypto.subtle.generateKey({ name: "ECDH", namedCurve: "P-256" }, true, ["deriveBits"]);
      const page = await scripted({ publicKey: await crypto.subtle.exportKey("jwk", pinned.publicKey) });
      const code = await page.evaluate(() =>
        login("somebody", "a long enough passphrase").catch((error) => error.code),
      );
      expect(code).toBe("server_untrusted");
    });

    test("says what to do first", async () => {
      const page = await context.newPage();
      await page.goto("/script");
      const message = await page.evaluate(() => login("somebody", "x").catch((error) => error.message));
      expect(message).toBe("Call configAuth({ serverUrl }) first.");
    });
  });
});
