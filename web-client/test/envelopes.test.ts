import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { newUser } from "../../server/test/support/client.ts";
import { publishedKeys } from "../../server/test/support/seal.ts";
import { startApp, startAppForTest, type TestApp } from "../../server/test/support/start-app.ts";
import { codeOf } from "./support/codes.ts";
import { openBrowser, type TestBrowser } from "./support/test-browser.ts";

const CHANNEL_TTL_S = 900;
const KEY_GRACE_S = 1260;
const sealedModes = ["stateless", "stateful"] as const;

let server: TestApp;
beforeAll(async () => {
  server = await startApp();
});
afterAll(() => server[Symbol.asyncDispose]());

const times = <T>(count: number, make: () => T) => Array.from({ length: count }, make);
const jwks = (browser: TestBrowser) => browser.count("jwks.json");

/** Rotates, and waits until the server has seen that its keys were changed. */
async function rotate({ app, clock, url }: TestApp): Promise<void> {
  const inUse = async () =>
    new Map((await publishedKeys(url)).reverse().map(({ use, alg, kid }) => [`${use} ${alg}`, kid]));
  const before = await inUse();
  clock.advance(1);
  await app.keys.rotate();
  await expect.poll(async () => [...(await inUse())].every(([slot, kid]) => before.get(slot) !== kid)).toBe(true);
}

/** No key that was published is known any more. */
async function rotateAway(app: TestApp): Promise<void> {
  await rotate(app);
  await rotate(app);
  app.clock.advance(KEY_GRACE_S);
  await rotate(app);
}

/** Channels that end by the test's clock: those in Redis end by its own. */
const CHANNELS_BY_CLOCK = { env: { REDIS_URL: "" } };

describe("keys", () => {
  test.each(sealedModes)(
    "are fetched once, by one request for all first calls, with %s envelopes",
    async (envelope) => {
      const browser = openBrowser(server);
      const page = browser.openTab({ envelope });
      const codes = await Promise.all(times(10, () => codeOf(page.me())));
      expect(new Set(codes)).toStrictEqual(new Set(["token_missing"]));
      expect([jwks(browser), browser.count("Handshake")]).toStrictEqual([1, envelope === "stateful" ? 1 : 0]);
    },
  );

  test.each(sealedModes)(
    "that were rotated away are fetched again, once for all calls, with %s envelopes",
    async (envelope) => {
      const app = await startAppForTest(CHANNELS_BY_CLOCK);
      const browser = openBrowser(app);
      const page = browser.openTab({ envelope, monotonicMs: () => 0 });
      const who = newUser();
      await page.register(who);
      await page.logout();
      await rotateAway(app);
      const before = jwks(browser);
      const payload = { identifier: who.username, password: who.password };
      const logins = await Promise.all(times(4, () => page.apiCall(`${app.url}/auth/login`, payload)));
      expect(logins).toHaveLength(4);
      expect(jwks(browser) - before).toBe(1);
    },
  );

  test("that sign the handshake may be younger than those in memory", async () => {
    const app = await startAppForTest();
    const browser = openBrowser(app);
    const page = browser.openTab({ envelope: "stateful" });
    await page.register(newUser());
    await rotate(app);
    await rotate(app);
    browser.pass(CHANNEL_TTL_S - 1);
    expect(await page.me()).toStrictEqual(page.user);
    expect([browser.count("Handshake"), jwks(browser)]).toStrictEqual([2, 2]);
  });

  test("that do not come are a typed error, and are asked for again with the next call", async () => {
    const browser = openBrowser(server);
    const page = browser.openTab();
    const end = browser.intercept("jwks.json", async () => new Response("<h1>no</h1>", { status: 503 }));
    expect(await codeOf(page.register(newUser()))).toBe("unavailable");
    end();
    await page.register(newUser());
  });
});

describe("pinned keys", () => {
  test.each(sealedModes)("let a page work with the server that has them, with %s envelopes", async (envelope) => {
    const keys = await publishedKeys(server.url);
    const page = openBrowser(server).openTab({ envelope, publicKey: { keys } });
    await page.register(newUser());
    const rsa = keys.find(({ alg }) => alg === "RSA-OAEP-256") ?? {};
    await openBrowser(server).openTab({ envelope, publicKey: rsa }).register(newUser());
  });

  test("that are none at all trust no server", async () => {
    const page = openBrowser(server).openTab({ publicKey: { keys: [] } });
    expect(await codeOf(page.register(newUser()))).toBe("server_untrusted");
  });

  test.each(sealedModes)(
    "let nothing out to a server that has others, whatever it calls them, with %s envelopes",
    async (envelope) => {
      const keys = await publishedKeys(server.url);
      const other = await crypto.subtle.generateKey({ name: "ECDH", namedCurve: "P-256" }, true, ["deriveBits"]);
      const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", other.publicKey);
      const front = keys.find(({ alg }) => alg === "ECDH-ES");
      const browser = openBrowser(server);
      const page = browser.openTab({ envelope, publicKey: { ...front, kty, crv, x, y } });
      expect(await codeOf(page.register(newUser()))).toBe("server_untrusted");
      expect(browser.sent.map(({ path }) => path)).toStrictEqual(["/.well-known/jwks.json"]);
    },
  );
});

describe("a server in the middle", () => {
  const strip = (name: string) => (body: Record<string, unknown>) => ({ ...body, [name]: undefined });

  test("that answers a sealed call in clear is not believed", async () => {
    const browser = openBrowser(server);
    const page = browser.openTab({ envelope: "stateless" });
    browser.intercept("Login", async () => Response.json({ accessToken: "x", expiresIn: 900, user: { id: "x" } }));
    expect(await codeOf(page.login({ identifier: "a", password: "b" }))).toBe("server_untrusted");
    expect(page.isLoggedIn).toBe(false);
  });

  test("that changes a sealed answer is not believed", async () => {
    const browser = openBrowser(server);
    const page = browser.openTab({ envelope: "stateless" });
    await page.register(newUser());
    browser.intercept("GetMe", async (go) => {
      const body = await (await go()).json();
      const { ct } = body.__front_enc__;
      return Response.json({
        __front_enc__: { ...body.__front_enc__, ct: `${ct[0] === "A" ? "B" : "A"}${ct.slice(1)}` },
      });
    });
    expect(await codeOf(page.me())).toBe("server_untrusted");
  });

  test("that answers the handshake for the server is not believed", async () => {
    const browser = openBrowser(server);
    browser.intercept("Handshake", async (go) => {
      const { __front_enc__: envelope } = await (await go()).json();
      return Response.json(
        strip("__front_enc__")({ __front_enc__: envelope, sid: "AAECAwQFBgcICQoLDA0ODw", expiresIn: 900 }),
      );
    });
    expect(await codeOf(browser.openTab().register(newUser()))).toBe("server_untrusted");
  });

  test("that publishes its own signing key is not believed by who has pinned the server's", async () => {
    const keys = await publishedKeys(server.url);
    const signing = keys.filter(({ use }) => use === "sig");
    const pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
    const { x, y } = await crypto.subtle.exportKey("jwk", pair.publicKey);
    const browser = openBrowser(server);
    browser.intercept("jwks.json", async () =>
      Response.json({ keys: keys.map((key) => (key.use === "sig" ? { ...key, x, y } : key)) }),
    );
    expect(await codeOf(browser.openTab({ publicKey: { keys: signing } }).register(newUser()))).toBe(
      "server_untrusted",
    );
  });
});

describe("the device's clock", () => {
  test.each(sealedModes)("may be wrong by a day, with %s envelopes", async (envelope) => {
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 86_400_000 });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    const page = openBrowser(server).openTab({ envelope });
    await page.register(newUser());
    expect(await page.me()).toStrictEqual(page.user);
  });

  test("may stand still while the computer sleeps: the time is read again, and the call made once more", async () => {
    const browser = openBrowser(server);
    const page = browser.openTab({ envelope: "stateless", monotonicMs: () => 0 });
    await page.register(newUser());
    server.clock.advance(600);
    expect(await page.me()).toStrictEqual(page.user);
    expect([browser.count("GetMe"), jwks(browser)]).toStrictEqual([2, 2]);
  });

  test("is not set again and again: a server that stays out of time gets two tries", async () => {
    const browser = openBrowser(server);
    const page = browser.openTab({ envelope: "stateless" });
    await page.register(newUser());
    browser.intercept("GetMe", async (go) => {
      server.clock.advance(600);
      const answer = await go();
      server.clock.advance(-600);
      return answer;
    });
    expect(await codeOf(page.me())).toBe("envelope_expired");
    expect(browser.count("GetMe")).toBe(2);
  });
});

describe("a channel", () => {
  test("gives way to the next before its end, without losing a call in flight", async () => {
    const browser = openBrowser(server);
    const page = browser.openTab({ envelope: "stateful" });
    await page.register(newUser());
    browser.pass(CHANNEL_TTL_S * 0.89);
    const slow = browser.hold("ListSessions");
    const inFlight = page.listSessions();
    await slow.arrived;
    expect(browser.count("Handshake")).toBe(1);
    browser.pass(CHANNEL_TTL_S * 0.02);
    await page.me();
    expect(browser.count("Handshake")).toBe(2);
    slow.release();
    expect((await inFlight).sessions).toHaveLength(1);
    expect(browser.count("ListSessions")).toBe(1);
  });

  test("that the server has forgotten is replaced, by one handshake for all calls, each made once more", async () => {
    const app = await startAppForTest(CHANNELS_BY_CLOCK);
    const browser = openBrowser(app);
    const page = browser.openTab({ envelope: "stateful", monotonicMs: () => 0 });
    await page.register(newUser());
    app.clock.advance(CHANNEL_TTL_S - 1);
    await page.me();
    app.clock.advance(CHANNEL_TTL_S);
    const users = await Promise.all(times(10, () => page.me()));
    expect(users).toStrictEqual(times(10, () => page.user));
    expect(browser.count("Handshake")).toBe(2);
  });

  test("outlives the caller who asked for it first", async () => {
    const browser = openBrowser(server);
    const page = browser.openTab({ envelope: "stateful" });
    const handshake = browser.hold("Handshake");
    const controller = new AbortController();
    const impatient = codeOf(page.me({ signal: controller.signal }));
    const patient = page.register(newUser());
    await handshake.arrived;
    controller.abort();
    expect(await impatient).toBe("cancelled");
    handshake.release();
    await patient;
    expect(browser.count("Handshake")).toBe(1);
  });
});
