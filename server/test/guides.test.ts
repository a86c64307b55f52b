import { execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { ErrorReason } from "@sello/gen/auth/v1/error_reason_pb";
import { build } from "esbuild";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { isRequired } from "../../envelope/test/support/requirements.ts";
import { buildScript } from "../../web-client/build.mjs";
import { type AuthClient, AuthError, createAuthClient } from "../../web-client/src/index.ts";
import { chromiumPath } from "../../web-client/test/support/chromium.ts";
import { readConfig } from "../src/config.ts";
import { DEMO_USER, seedDemoUser } from "../src/demo.ts";
import { createLog } from "../src/telemetry/log.ts";
import { newServiceAccount } from "./support/backend.ts";
import { call, loginUser, newUser, registerUser } from "./support/client.ts";
import { type CountingClient, NOT_RUN, STUBS, WORKER } from "./support/guide-parts.ts";
import {
  createWorkshop,
  type Frameworks,
  frameworks,
  type Guide,
  type Program,
  ROOT,
  readGuide,
  type Workshop,
} from "./support/guide-runner.ts";
import { codeAt } from "./support/mfa.ts";
import { startApp, startAppForTest, type TestApp } from "./support/start-app.ts";

const PYTHON = "/usr/bin/python3";
const noPython = !isRequired("python") && spawnSync(PYTHON, ["-c", "import grpc, google.protobuf"]).status !== 0;
const noChromium = !isRequired("chromium") && !existsSync(chromiumPath);
/** A token of 10 seconds is good for 40, since clocks may differ by 30; envelopes bear 60. */
const EXPIRED_AFTER_S = 45;

let frontGuide: Guide;
let backGuide: Guide;
let server: TestApp;
let site: Server;
let pageOrigin: string;
const files = new Map<string, [type: string, content: string | Uint8Array]>();
let policy = "";
let workshop: Workshop;
let shop: Program;
let reports: Program;
let aheadMs = 0;
const addresses = new Map<string, string>();
const env: Record<string, string> = {};

beforeAll(async () => {
  [frontGuide, backGuide] = await Promise.all([readGuide("guide-frontend.md"), readGuide("guide-backend.md")]);
  site = createServer((request, response) => {
    const [type, content] = files.get(request.url ?? "") ?? ["text/plain", ""];
    response.writeHead(200, { "content-type": type, "content-security-policy": policy }).end(content);
  });
  await new Promise<void>((resolve) => site.listen(0, "127.0.0.1", resolve));
  pageOrigin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
  server = await startApp({
    env: { CORS_ORIGINS: pageOrigin, ACCESS_TTL_S: "10" },
    overrides: { clock: { now: () => new Date(Date.now() + aheadMs) } },
  });
  await seedDemoUser(server.app, { config: readConfig({}).config, log: createLog("silent") });
  addresses.set("localhost:8080", new URL(server.url).host).set("localhost:3000", new URL(pageOrigin).host);
  env["DATABASE_URL"] = server.databaseUrl;
  env["SELLO_ADDRESS"] = server.url;
  workshop = await openWorkshop(frameworks[0]);
  env["SELLO_SERVICE_ACCOUNT"] = await workshop.shell(backGuide.shell("npm run -s cli -- create-service-account shop"));
  await workshop.shell(backGuide.shell("mkdir -p proto"));
  await workshop.shell(backGuide.shell("npx buf generate"));
  backGuide.runs("buf.yaml buf.gen.yaml proto/shop/v1/report_service.proto");
  [shop, reports] = await Promise.all([workshop.start("main.mjs"), workshop.start("connect.mjs")]);
  addresses.set("localhost:4000", new URL(shop.url).host).set("localhost:4001", new URL(reports.url).host);
});
afterAll(async () => {
  await workshop?.[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
  site.closeAllConnections();
  site.close();
});

/** With every file of the guide for back ends in it. */
async function openWorkshop(which: Frameworks): Promise<Workshop> {
  const opened = await createWorkshop({ frameworks: which, env, addresses, onRun: backGuide.runs });
  for (const file of backGuide.files) await opened.write(file, backGuide.file(file));
  return opened;
}

/** The client of somebody's page, without a browser. */
async function openClient(backEnd: { url: string }): Promise<AuthClient> {
  const client = createAuthClient({ baseUrl: server.url, apiOrigins: [backEnd.url] });
  await client.register(newUser());
  return client;
}

async function codeOf(made: Promise<unknown>): Promise<string> {
  const error = await made.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof AuthError ? error.code : String(error);
}

async function newToken(): Promise<string> {
  return (await registerUser(server.url)).access_token;
}

describe("the guide for back ends", () => {
  test("makes an account, and says who calls", async () => {
    expect(env["SELLO_SERVICE_ACCOUNT"]).toMatch(/^sa_[\w-]{43}$/);
    expect(await workshop.shell(backGuide.shell("TOKEN="))).toMatch(/^demo \[ 'user' \] \[\] 20/);
  });

  describe.each(frameworks)("with %s frameworks", (which) => {
    let there: Workshop;
    beforeAll(async () => {
      there = which === frameworks[0] ? workshop : await openWorkshop(which);
    });
    afterAll(async () => {
      if (there !== workshop) await there?.[Symbol.asyncDispose]();
    });

    test("guards an Express app, which soon knows of a logout", async () => {
      await using express = await there.start("main.mjs");
      const client = await openClient(express);
      const orders = `${express.url}/orders`;
      const clear = { method: "GET", envelope: "none" } as const;
      for (const envelope of ["stateful", "stateless"] as const) {
        const placed = await client.apiCall(orders, { item: envelope }, { envelope });
        expect(placed).toMatchObject({ order: { item: envelope, userId: client.user?.id } });
      }
      expect(await codeOf(client.apiCall(orders, { item: "apple" }, { envelope: "none" }))).toBe("envelope_required");
      expect(await client.apiCall<{ orders: unknown[] }>(orders, undefined, clear)).toMatchObject({
        orders: [{ id: 1 }, { id: 2 }],
      });
      expect(await codeOf(client.apiCall(`${express.url}/admin`, undefined, clear))).toBe("forbidden");

      const headers = { authorization: `Bearer ${await newToken()}` };
      const statusOf = async () => (await fetch(orders, { headers })).status;
      expect(await statusOf()).toBe(200);
      await call(`${server.url}/auth/logout`, { body: {}, headers });
      await vi.waitFor(async () => expect(await statusOf()).toBe(401), { timeout: 5_000, interval: 20 });
    });

    test("guards a Fastify app", async () => {
      await using fastify = await there.start("fastify.mjs");
      const client = await openClient(fastify);
      const order = (envelope: "stateful" | "none") =>
        client.apiCall(`${fastify.url}/orders`, { item: "apple" }, { envelope });
      expect(await order("stateful")).toMatchObject({ order: { item: "apple", by: client.user?.username } });
      expect(await codeOf(order("none"))).toBe("envelope_required");
    });

    test("tests an app without a server", async () => {
      expect(await there.shell(backGuide.shell("node --test"))).toMatch(/ pass 4$/m);
    });
  });

  test("guards a Connect service, whose messages are sealed", async () => {
    const { ReportService } = await import(join(workshop.folder, "gen/shop/v1/report_service_pb.js"));
    const client = await openClient(reports);
    const count = (envelope: "stateful" | "none") => {
      const transport = client.transportTo(reports.url, { envelope });
      return (createClient(ReportService, transport) as unknown as CountingClient).countOrders({ year: 2026 });
    };
    expect(await count("stateful")).toMatchObject({ count: 7, countedFor: client.user?.username });
    expect(await codeOf(count("none"))).toBe("envelope_required");
  });

  test("opens and seals by hand", async () => {
    await workshop.write("worker.mjs", WORKER);
    backGuide.runs("by-hand.mjs");
    await using worker = await workshop.start("worker.mjs");
    const bodies: string[] = [];
    const client = createAuthClient({
      baseUrl: server.url,
      apiOrigins: ["http://shop.test"],
      async fetch(input, init = {}) {
        const { pathname, host } = new URL(input);
        if (host !== "shop.test") return fetch(input, init);
        bodies.push(String(init.body));
        const token = new Headers(init.headers).get("authorization")?.slice("Bearer ".length);
        const message = { token, path: pathname, body: JSON.parse(String(init.body)) };
        return fetch(worker.url, { method: "POST", body: JSON.stringify(message) });
      },
    });
    const { username } = await client.register(newUser());
    const placed = await client.apiCall("http://shop.test/orders?page=1", { item: "apple" });
    expect(placed).toStrictEqual({ order: { item: "apple", by: username } });
    expect(bodies.join()).not.toContain("apple");
  });

  test("writes and reads under a user's key", async () => {
    expect(await workshop.node(["notes.mjs", await newToken()])).toBe("buy apples");
  });

  test("reads plain tokens", async () => {
    const issuer = "https://auth.example.com";
    const overrides = { clock: { now: () => new Date() } };
    const plain = await startAppForTest({ env: { ACCESS_TOKEN_NESTED: "false", ISSUER: issuer }, overrides });
    const { access_token: token, user } = await registerUser(plain.url);
    expect(token.split(".")).toHaveLength(3);
    const there = new Map([["localhost:8080", new URL(plain.url).host]]);
    const given = { SELLO_SERVICE_ACCOUNT: await newServiceAccount(plain) };
    await using other = await createWorkshop({
      frameworks: "minimal",
      env: given,
      addresses: there,
      onRun: backGuide.runs,
    });
    await other.write("local.mjs", backGuide.file("local.mjs"));
    expect(await other.node(["local.mjs", token])).toBe(`${user["username"]}, read here`);
  });

  test("says what failed", async () => {
    const token = await newToken();
    const careful = (given: Record<string, string>, of = token) => workshop.node(["careful.mjs", of], given);
    expect(await careful({})).toMatch(/^u\w+$/);
    expect(await careful({}, "a.b.c")).toBe("token_invalid");
    expect(await careful({ SELLO_ADDRESS: "http://127.0.0.1:9" })).toMatch(/^unavailable\nsello: unavailable: /);
    expect(await careful({ SELLO_SERVICE_ACCOUNT: "sa_unknown" })).toMatch(/^service_account_refused\nsello: service/);
  });

  test("binds an account to a certificate", async () => {
    const { folder } = workshop;
    const [cert, key] = [join(folder, "ca.pem"), join(folder, "ca.key")];
    const curve = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
    const name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
    execFileSync("openssl", [...curve, ...name, "-keyout", key, "-out", cert], { stdio: "ignore" });
    const secure = await startAppForTest({
      env: { TLS_CERT_FILE: cert, TLS_KEY_FILE: key, TLS_CLIENT_CERTIFICATES: "request" },
      overrides: { clock: { now: () => new Date() } },
      databaseUrl: server.databaseUrl,
      keysDir: server.keysDir,
    });
    const [secret = ""] = /sa_[\w-]{43}/.exec(await workshop.shell(backGuide.shell("openssl req"))) ?? [];
    const address = `localhost:${new URL(secure.url).port}`;
    await workshop.write("ledger.mjs", backGuide.file("ledger.mjs").replace("localhost:8443", address));
    const said = workshop.node(["ledger.mjs", await newToken()], { SELLO_SERVICE_ACCOUNT: secret });
    expect(await said).toMatch(/^u\w+, over mTLS$/);
  });

  test("asks with buf curl", async () => {
    const { access_token: token, user } = await registerUser(server.url);
    const said = await workshop.shell(backGuide.shell("npx buf curl"), { TOKEN: token });
    expect(JSON.parse(said)).toMatchObject({ userId: user.id, roles: ["user"] });
  });

  test.skipIf(noPython)("asks from Python", async () => {
    const { access_token: token, user } = await registerUser(server.url);
    await workshop.shell(backGuide.shell("npx buf build"));
    const said = await workshop.shell(`${PYTHON} who.py ${token} a.b.c`);
    expect(said).toMatch(new RegExp(`^${user["username"]} \\['user'\\]\nUNAUTHENTICATED `));
  });
});

describe.skipIf(noChromium)("the guide for pages, in Chromium", () => {
  let browser: Browser;
  let context: BrowserContext;

  beforeAll(async () => {
    const there = await createWorkshop({ frameworks: "minimal", env, addresses, onRun: frontGuide.runs });
    try {
      await fillSite(there);
    } finally {
      await there[Symbol.asyncDispose]();
    }
    const args = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"];
    browser = await chromium.launch({ executablePath: chromiumPath, args });
    context = await browser.newContext({ baseURL: pageOrigin });
  });
  afterAll(() => browser?.close());

  /** A tab with `app.js` and `reports.js`, whose exports are those of `guide`, and where `show…` was called. */
  async function openApp(): Promise<Page> {
    const page = await context.newPage();
    await page.goto("/app");
    return page;
  }
  const run = <T = unknown>(page: Page, code: string) => page.evaluate<T>(code);
  const shown = (page: Page) => run<string[]>(page, "shown.splice(0)");
  const codeIn = (page: Page, code: string) => run<string>(page, `${code}.then(() => "none", ({ code }) => code)`);
  const untilShown = async (page: Page, text: string) => {
    await page.waitForFunction((part) => document.getElementById("says")?.textContent?.includes(part), text);
  };

  test("a page with the script logs in, orders, comes back, and logs out", async () => {
    const page = await context.newPage();
    const problems: string[] = [];
    page.on("pageerror", (error) => problems.push(String(error)));
    page.on("console", (line) => /Content Security Policy/.test(line.text()) && problems.push(line.text()));
    await page.goto("/");
    await untilShown(page, "Log in, please.");
    await page.fill("[name=user]", DEMO_USER.username);
    await page.fill("[name=password]", "wrong password, twice");
    await page.click("#login-form button");
    await untilShown(page, "password");
    await page.fill("[name=password]", DEMO_USER.password);
    await page.click("#login-form button");
    await untilShown(page, "Hello, demo.");
    await page.click("#order-button");
    await untilShown(page, "Order 1 is placed.");
    await page.reload();
    await untilShown(page, "Welcome back, demo.");
    await page.click("#logout-button");
    await untilShown(page, "You are logged out.");
    expect(problems).toStrictEqual([]);
    await page.close();
  });

  test("a page with the module does all the guide says", async () => {
    const page = await openApp();
    const user = newUser();
    await run(page, "guide.start()");
    expect(await shown(page)).toStrictEqual(["showLogin"]);
    await run(page, `guide.signUp({ ...${JSON.stringify(user)}, password: "short" })`);
    expect((await shown(page))[0]).toMatch(/^showMessage .*12/);
    await run(page, `guide.signUp(${JSON.stringify(user)})`);
    expect(await shown(page)).toStrictEqual([`showUser ${user.username}`]);
    expect(await page.title()).toBe(`Shop: ${user.username}`);

    const sent: string[] = [];
    page.on("request", (request) => {
      if (request.url().endsWith("/orders") && request.method() === "POST") sent.push(request.postData() ?? "");
    });
    expect(await run(page, `guide.order("apple")`)).toMatchObject({ order: { item: "apple" } });
    expect(await run(page, `guide.orderStateless("pear")`)).toMatchObject({ order: { item: "pear" } });
    expect(sent.map((body) => Object.keys(JSON.parse(body)))).toStrictEqual([["__session_enc__"], ["__front_enc__"]]);
    expect(await run(page, "guide.listOrders()")).toMatchObject({ orders: [{ item: "apple" }, { item: "pear" }] });
    expect(await codeIn(page, "Promise.race([guide.search(), guide.search().then(() => {})])")).toBe("cancelled");
    expect(await run(page, "guide.countOrders(2026)")).toBe(`7 orders in 2026, counted for ${user.username}`);

    await page.reload();
    await run(page, "guide.start()");
    expect(await shown(page)).toStrictEqual([`showUser ${user.username}`]);
    await run(page, "guide.logOut()");
    expect(await shown(page)).toStrictEqual(["showLogin"]);
    await run(page, `guide.logIn("${user.username}", "wrong password, twice")`);
    expect((await shown(page))[0]).toMatch(/^showMessage /);
    await page.close();
  });

  test("a second factor is turned on, asked for at the next login, and turned off after a new proof", async () => {
    const page = await openApp();
    const user = newUser();
    await run(page, `guide.signUp(${JSON.stringify(user)})`);
    await run(page, "guide.turnOn()");
    const secret = (await shown(page)).at(-1)?.replace("showSecret ", "") ?? "";
    const code = (stepsAway: number) => codeAt(secret, new Date(Date.now() + aheadMs), stepsAway);
    await run(page, `guide.confirm("${code(-1)}")`);
    expect(await shown(page)).toStrictEqual([expect.stringMatching(/^showRecoveryCodes [\w-]{19}(,[\w-]{19}){9}$/)]);
    await run(page, "guide.logOut()");
    await run(page, `guide.logIn("${user.username}", "${user.password}")`);
    const challenge = (await shown(page)).at(-1)?.replace("showCodeForm ", "");
    await run(page, `guide.enterCode("${challenge}", "${code(-1)}")`);
    expect(await shown(page)).toStrictEqual([expect.stringMatching(/^showMessage The code is wrong/)]);
    await run(page, `guide.enterCode("${challenge}", "${code(0)}")`);
    expect(await shown(page)).toStrictEqual([`showUser ${user.username}`]);
    await server.db.query("UPDATE sessions SET created_at = created_at - interval '1 hour'");
    const proof = JSON.stringify({ password: user.password, code: code(1) });
    expect(await run(page, `proof = ${proof}, guide.newRecoveryCodes()`)).toHaveLength(10);
    await page.close();
  });

  test("one refresh serves three calls, and being offline ends no session", async () => {
    const page = await openApp();
    await run(page, `guide.signUp(${JSON.stringify(newUser())})`);
    aheadMs += EXPIRED_AFTER_S * 1000;
    let refreshes = 0;
    page.on("request", (request) => {
      if (request.method() === "POST" && request.url().endsWith("/RefreshToken")) refreshes++;
    });
    await run(page, "Promise.all([1, 2, 3].map(() => guide.auth.me()))");
    expect(refreshes).toBe(1);
    await context.setOffline(true);
    expect(await run(page, "guide.order('apple').catch(guide.explain)")).toMatch(/cannot be reached/);
    await context.setOffline(false);
    expect(await run(page, "guide.order('apple')")).toMatchObject({ order: { item: "apple" } });
    await page.close();
  });

  test("a logout in another tab is noticed when this one comes to the front", async () => {
    const [page, other] = [await openApp(), await openApp()];
    await run(page, `guide.signUp(${JSON.stringify(newUser())})`);
    await run(other, "guide.start()");
    await run(other, "guide.logOut()");
    await shown(page);
    await run(page, `document.dispatchEvent(new Event("visibilitychange"))`);
    await page.waitForFunction(() => Reflect.get(globalThis, "shown").length > 0);
    expect(await shown(page)).toStrictEqual(["showLogin refresh_invalid"]);
    await Promise.all([page.close(), other.close()]);
  });

  test("pinned keys are the only ones that count", async () => {
    const page = await openApp();
    const login = `guide.createPinned().then((auth) => auth.login(${JSON.stringify({ identifier: "demo", password: DEMO_USER.password })}))`;
    expect(await codeIn(page, login)).toBe("none");
    const other = await startAppForTest({ keysDir: join(workshop.folder, "other-keys") });
    const strange = await (await fetch(`${other.url}/.well-known/jwks.json`)).text();
    files.set("/sello-keys.json", ["application/json", strange]);
    expect(await codeIn(page, login)).toBe("server_untrusted");
    await page.close();
  });
});

/** Everything that the guide's pages load, made as a reader makes it. */
async function fillSite(there: Workshop): Promise<void> {
  const inPlace = (text: string) => [...addresses].reduce((result, [from, to]) => result.replaceAll(from, to), text);
  policy = inPlace(frontGuide.all("http").join()).replace("Content-Security-Policy: ", "").trim();
  await there.shell(frontGuide.shell("curl -s"));
  for (const file of ["app.js", "reports.js"]) await there.write(file, frontGuide.file(file));
  frontGuide.runs("reports.js index.html page.js");
  await there.write("entry.js", 'export * from "./app.js";\nexport * from "./reports.js";\n');
  await there.shell(`cp -r ${workshop.folder}/gen .`);
  const made = { bundle: true, write: false, format: "iife", globalName: "guide", target: "es2022" } as const;
  const { outputFiles } = await build({ ...made, entryPoints: [join(there.folder, "entry.js")] });
  const scripts = ["stubs.js", "bundle.js"].map((name) => `<script src="/${name}"></script>`).join("");
  const script = (text: string | Uint8Array): [string, string | Uint8Array] => ["text/javascript", text];
  files
    .set("/", ["text/html", frontGuide.file("index.html")])
    .set("/auth.js", script(await buildScript()))
    .set("/page.js", script(inPlace(frontGuide.file("page.js"))))
    .set("/app", ["text/html", `<!doctype html><title>Shop</title>${scripts}`])
    .set("/stubs.js", script(STUBS))
    .set("/bundle.js", script(outputFiles.map(({ text }) => text).join("")))
    .set("/sello-keys.json", ["application/json", await there.shell("cat sello-keys.json")]);
}

describe("both guides", () => {
  const guides = () => [frontGuide, backGuide];

  test("have diagrams that can be drawn", () => {
    const line = /^(participant \w+ as .+|\w+--?>>\w+: .+|Note over \w+(,\w+)?: .+|(alt|else|opt|loop)( .+)?|end)$/;
    for (const diagram of guides().flatMap((guide) => guide.all("mermaid"))) {
      const [first, ...rest] = diagram.trim().split(/\n */);
      expect(first).toBe("sequenceDiagram");
      expect(rest.filter((each) => !line.test(each) || /[;#]/.test(each))).toStrictEqual([]);
      const names = rest.flatMap((each) => /^participant (\w+)/.exec(each)?.[1] ?? []);
      const meant = rest.flatMap((each) => /^(\w+)--?>>(\w+)|^Note over (\w+),?(\w*)/.exec(each)?.slice(1) ?? []);
      expect(meant.filter((name) => name && !names.includes(name))).toStrictEqual([]);
      expect(rest.filter((each) => each === "end")).toHaveLength(
        rest.filter((each) => /^(alt|opt|loop)/.test(each)).length,
      );
    }
  });

  test("link to what is there", async () => {
    for (const { text } of guides()) {
      for (const [, file = "", anchor] of text.matchAll(/\]\(([\w./-]*)(?:#([\w-]+))?\)/g)) {
        const target = file === "" ? text : existsSync(join(ROOT, "docs", file)) && (await readGuide(file)).text;
        const headings = String(target).matchAll(/^#+ (.+)$/gm);
        const anchors = [...headings].map(([, heading = ""]) =>
          heading
            .toLowerCase()
            .replaceAll(/[^\w -]/g, "")
            .replaceAll(" ", "-"),
        );
        expect([file, anchor, target !== false && (anchor === undefined || anchors.includes(anchor))]).toStrictEqual([
          file,
          anchor,
          true,
        ]);
      }
    }
  });

  test("name every error there is", () => {
    const codes = Object.keys(ErrorReason).filter((name) => /^[A-Z_]+$/.test(name) && name !== "UNSPECIFIED");
    expect(codes.filter((name) => !frontGuide.text.includes(`\`${name.toLowerCase()}\``))).toStrictEqual([]);
  });

  test("end an account, which is refused then", async () => {
    expect(await workshop.shell(backGuide.shell("npm run -s cli -- disable-service-account"))).toMatch(/disabled/);
    const { body } = await loginUser(server.url, DEMO_USER.username, DEMO_USER.password);
    const refused = () => workshop.node(["careful.mjs", body.access_token]);
    await vi.waitFor(async () => expect(await refused()).toMatch(/^service_account_refused/), { timeout: 10_000 });
  });

  test("have no block that was not run, a few apart whose reason is known", () => {
    const excused = [
      ...Object.keys(NOT_RUN).map((start) => `sh: ${start}`),
      ...(noChromium ? ["html", "js", "http", "sh: curl"] : []),
      ...(noPython ? ["sh: npx buf build"] : []),
    ];
    const left = guides().flatMap((guide) => guide.unused());
    expect(left.filter((block) => !excused.some((start) => block.startsWith(start)))).toStrictEqual([]);
    expect(Object.keys(NOT_RUN).filter((start) => !left.some((block) => block.startsWith(`sh: ${start}`)))).toEqual([]);
  });
});
