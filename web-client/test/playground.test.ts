import { existsSync } from "node:fs";
import { mkdir, rename, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { isRequired } from "../../envelope/test/support/requirements.ts";
import { DEMO_USER } from "../../server/src/demo.ts";
import { call, registerUser } from "../../server/test/support/client.ts";
import { startApp, type TestApp } from "../../server/test/support/start-app.ts";
import { buildScript } from "../build.mjs";
import { chromiumPath } from "./support/chromium.ts";

const MODES = ["none", "rsa", "ecdh", "channel"] as const;
type Mode = (typeof MODES)[number];
const MEMBER = { none: undefined, rsa: "__front_enc__", ecdh: "__front_enc__", channel: "__session_enc__" };
/** The shortest lives that the server takes. */
const SHORT_S = 10;

describe.skipIf(!existsSync(chromiumPath) && !isRequired("chromium"))("the playground in Chromium", () => {
  let browser: Browser;
  let server: TestApp;
  let shortLived: TestApp;
  let context: BrowserContext;
  /** What a page complained of. Each test ends without any. */
  let complaints: string[];

  beforeAll(async () => {
    await buildClient();
    [browser, server, shortLived] = await Promise.all([
      chromium.launch({ executablePath: chromiumPath, args: ["--no-sandbox", "--disable-gpu"] }),
      startServer(),
      startServer({ CHANNEL_TTL_S: String(SHORT_S), ACCESS_TTL_S: String(SHORT_S) }),
    ]);
  });
  afterAll(async () => {
    await browser?.close();
    await server?.[Symbol.asyncDispose]();
    await shortLived?.[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    complaints = [];
    context = await browser.newContext({ reducedMotion: "reduce" });
    context.on("weberror", (error) => complaints.push(String(error.error())));
    context.on("console", (message) => {
      // Chromium reports every answer that is no success: those are what this page is about.
      if (!/^Failed to load resource: /.test(message.text())) complaints.push(message.text());
    });
  });
  afterEach(async () => {
    await context.close();
    expect(complaints).toStrictEqual([]);
  });

  const openTab = (mode: Mode = "channel", app = server) => openPlayground(context, app, mode);

  describe.each(MODES)("in mode %s", (mode) => {
    test("everything that a user does is seen in clear, on the wire and opened", async () => {
      const page = await openTab(mode);
      await page.getByText("Register somebody").click();
      const [username, password] = [await page.inputValue("#username"), await page.inputValue("#new-password")];
      const registered = await perform(page, "#register button");
      expect(registered).toMatchObject({ kind: "register", code: "ok" });
      expect(JSON.parse(registered.clear)).toMatchObject({ username, password });
      expect(registered.opened).toContain(username);
      expect(registered.wire.includes(MEMBER[mode] ?? password)).toBe(true);
      expect(registered.wire.includes(password)).toBe(mode === "none");
      expect(await page.textContent("#user")).toBe(username);

      expect(await perform(page, "#me")).toMatchObject({ code: "ok", opened: expect.stringContaining(username) });
      expect(await perform(page, "#refresh")).toMatchObject({ kind: "refresh", code: "ok" });
      expect(await perform(page, "#list")).toMatchObject({ kind: "list", code: "ok" });
      expect(await page.locator("#session-rows tr").count()).toBe(1);

      await page.getByText("Change the password").first().click();
      await page.fill("#current", password);
      await page.fill("#next", `${password} anew`);
      expect(await perform(page, "#change button")).toMatchObject({ kind: "change", code: "ok" });
      expect(await perform(page, "#logout")).toMatchObject({ kind: "logout", code: "ok" });
      expect(await page.textContent("#user")).toBe("nobody");

      await page.fill("#identifier", username);
      await page.fill("#password", `${password} anew`);
      expect(await perform(page, "#login button")).toMatchObject({ kind: "login", code: "ok" });
      await perform(page, "#list");
      await page.getByRole("button", { name: "Revoke this session" }).click();
      await page.locator('[data-call="revoke"]').waitFor();
      await page.locator("#user-detail", { hasText: "refresh_invalid" }).waitFor();
      expect(await context.cookies()).toMatchObject([{ httpOnly: true }]);
    });

    test("each thing that is broken gives the promised code, its message and a reason", async () => {
      const page = await openTab(mode);
      await perform(page, "#login button");
      const ids = await page.$$eval("[data-break]", (all) => all.map((each) => each.getAttribute("data-break") ?? ""));
      const codes: Record<string, string> = {};
      for (const id of ids) {
        const broken = await perform(page, `[data-break=${id}]`);
        codes[id] = broken.code;
        expect(broken).toMatchObject({ kind: `break-${id}`, outcome: "promised" });
        expect(broken.verdict).toMatch(/^“.+\.”.+\.$/);
        expect(broken.wire).toContain("Changed: ");
      }
      const tampered = mode === "channel" ? "channel_expired" : "envelope_invalid";
      expect(codes).toStrictEqual({
        flip: tampered,
        replay: "envelope_replayed",
        binding: tampered,
        stale: "envelope_expired",
        kid: "envelope_unknown_key",
        channel: "channel_expired",
        clear: "envelope_required",
        answer: "server_untrusted",
        refresh: "refresh_reused",
        token: "token_invalid",
      });
      expect(await perform(page, "#me")).toMatchObject({ code: "ok" });
      await perform(page, "#list");
      expect(await page.locator('#session-rows [aria-label="Revoke this session"]').count()).toBe(1);
    });

    test("time that passes, and many calls at once, are put right with one refresh", async () => {
      const page = await openTab(mode);
      await perform(page, "#login button");
      for (const id of ["jump", "herd"]) {
        const mended = await perform(page, `[data-mend=${id}]`);
        expect(mended).toMatchObject({ code: "ok" });
        expect(mended.steps.filter((step) => step === "RefreshToken 200")).toHaveLength(1);
      }
    });
  });

  test("the handshake is seen in clear, on the wire and opened, with both halves of the agreement and no key", async () => {
    const page = await openTab("channel");
    await perform(page, "#login button");
    expect((await perform(page, "[data-mend=lose-channel]")).steps).toContain("Handshake 200");
    await page.locator("#cards > article:first-child .chip", { hasText: "Handshake" }).click();
    const textOf = async (selector: string) =>
      (await page.locator(`#cards > article:first-child ${selector}`).textContent()) ?? "";
    const ours = JSON.parse(await textOf(".pane-clear pre"));
    expect(ours).toStrictEqual({
      key_share: { kty: "EC", crv: "P-256", x: expect.any(String), y: expect.any(String) },
    });
    const theirs = JSON.parse(await textOf(".pane-opened pre"));
    expect(theirs).toMatchObject({ expires_in: 900, key_share: { kty: "EC", crv: "P-256" } });
    expect(theirs.sid).toMatch(/^\w{4}/);
    expect(await textOf(".pane-opened")).toContain("signature over both");
    expect(await textOf(".pane-wire")).toContain("__front_enc__");
  });

  test("a channel that the server lost is opened anew, and the call goes through", async () => {
    const page = await openTab("channel");
    await perform(page, "#login button");
    const before = await page.textContent("#channel-id");
    const mended = await perform(page, "[data-mend=lose-channel]");
    expect(mended).toMatchObject({ code: "ok" });
    expect(mended.steps).toStrictEqual(["GetMe channel_expired", "Handshake 200", "GetMe 200"]);
    expect(await page.textContent("#channel-id")).not.toBe(before);
  });

  test("a channel and a token that end are followed by others before they do", async () => {
    const page = await openTab("channel", shortLived);
    await perform(page, "#login button");
    expect(await page.textContent("#channel-clock")).toMatch(/^0:(10|0\d)$/);
    const channels = new Set<string | null>();
    const steps: string[] = [];
    const callAgain = async () => {
      const made = await perform(page, "#me");
      expect(made.code).toBe("ok");
      steps.push(...made.steps);
      channels.add(await page.textContent("#channel-id"));
      return channels.size;
    };
    await expect.poll(callAgain, { timeout: 2 * SHORT_S * 1000, interval: 500 }).toBe(2);
    await expect.poll(() => callAgain().then(() => steps), { timeout: SHORT_S * 1000 }).toContain("RefreshToken 200");
    expect(steps.filter((step) => / [a-z]/.test(step))).toStrictEqual([]);
  });

  test("two tabs refresh at once, and both stay logged in", async () => {
    const first = await openTab("channel");
    await perform(first, "#login button");
    const second = await openTab("ecdh");
    expect(await second.textContent("#user")).toBe(DEMO_USER.username);
    const tabs = [first, second];
    const refreshed = await Promise.all(tabs.map((page) => perform(page, "[data-mend=herd]")));
    expect(refreshed).toMatchObject([{ code: "ok" }, { code: "ok" }]);
    const after = await Promise.all(tabs.map((page) => perform(page, "#refresh")));
    expect(after).toMatchObject([{ code: "ok" }, { code: "ok" }]);
  });

  test("a change of mode takes the session along", async () => {
    const page = await openTab("none");
    await perform(page, "#login button");
    for (const mode of MODES) {
      await page.check(`#mode-${mode}`);
      const made = await perform(page, "#me");
      expect(made).toMatchObject({ code: "ok" });
      expect(made.wire.includes(MEMBER[mode] ?? '"user"')).toBe(true);
    }
  });

  test("what a person gets wrong is refused with its code, and so is a network that is gone", async () => {
    const page = await openTab("ecdh");
    expect(await perform(page, "#me")).toMatchObject({ code: "token_missing", outcome: "bad" });
    await page.fill("#password", "not the password");
    expect(await perform(page, "#login button")).toMatchObject({
      code: "invalid_credentials",
      clear: expect.stringContaining("not the password"),
    });
    expect(await page.textContent("#announcer")).toMatch(/^Log in: invalid_credentials\. .+\.$/);
    await context.setOffline(true);
    expect(await perform(page, "#login button")).toMatchObject({ code: "offline" });
  });

  test("of the access token the page shows what a browser can read", async () => {
    const page = await openTab();
    await perform(page, "#login button");
    await page.getByText("Inside the access token").click();
    expect(JSON.parse((await page.textContent("#token-header")) ?? "")).toMatchObject({
      alg: "ECDH-ES+A256KW",
      enc: "A256GCM",
      cty: "JWT",
    });
    expect(await page.textContent("#token-clock")).toMatch(/^1[45]:\d\d$/);
  });

  test("no token and no password is kept anywhere", async () => {
    const page = await openTab();
    await perform(page, "#login button");
    await perform(page, "[data-break=refresh]");
    const kept = await page.evaluate(async () => [
      { ...localStorage },
      { ...sessionStorage },
      await indexedDB.databases(),
      await caches.keys(),
      document.cookie,
      location.search + location.hash,
    ]);
    expect(kept).toStrictEqual([{}, {}, [], [], "", ""]);
  });

  test("a keyboard is enough to log in and to change the mode, and shows where it is", async () => {
    const page = await openTab();
    const passed: string[] = [];
    const tabTo = async (wanted: string) => {
      for (let presses = 0; presses < 40 && passed.at(-1) !== wanted; presses++) {
        await page.keyboard.press("Tab");
        const [name, outline] = await page.evaluate(() => {
          const focused = document.activeElement as HTMLElement;
          const shown = focused.matches("[type=radio]") ? (focused.closest("label") ?? focused) : focused;
          return [focused.id || (focused.textContent ?? "").trim(), getComputedStyle(shown).outlineStyle];
        });
        expect([name, outline]).toStrictEqual([name, "solid"]);
        passed.push(name);
      }
      expect(passed.at(-1)).toBe(wanted);
    };
    await tabTo("mode-channel");
    await page.keyboard.press("ArrowLeft");
    expect(await page.isChecked("#mode-ecdh")).toBe(true);
    await tabTo("identifier");
    await page.keyboard.type(DEMO_USER.username);
    await tabTo("password");
    await page.keyboard.type(DEMO_USER.password);
    expect(await settled(page, () => page.keyboard.press("Enter"))).toMatchObject({ kind: "login", code: "ok" });
    expect(passed.slice(0, 2)).toStrictEqual(["Skip to the calls", "theme"]);
    expect(await page.textContent("#announcer")).toMatch(/^Log in: done in \d+ milliseconds\.$/);
  });

  test("the list of sessions ends with its user, and with its session", async () => {
    const page = await openTab();
    const rows = page.locator("#session-rows tr");
    await perform(page, "#login button");
    await perform(page, "#list");
    expect(await rows.count()).toBeGreaterThan(0);
    await page.getByText("Register somebody").click();
    expect(await perform(page, "#register button")).toMatchObject({ code: "ok" });
    expect([await rows.count(), await page.isVisible("#sessions")]).toStrictEqual([0, false]);

    await perform(page, "#list");
    expect(await rows.count()).toBe(1);
    const revoked = await perform(page, '[aria-label="Revoke this session"]');
    expect(revoked).toMatchObject({ kind: "revoke", code: "ok", verdict: expect.stringContaining("refresh") });
    expect(revoked.steps).toStrictEqual(["RevokeSession 200", "RefreshToken refresh_invalid"]);
    expect([await rows.count(), await page.isVisible("#sessions")]).toStrictEqual([0, false]);
    expect(await page.textContent("#user")).toBe("nobody");
    expect(await perform(page, "#me")).toMatchObject({ code: "token_missing" });
    expect(await page.locator('[data-call="list"]').count()).toBe(2);

    await perform(page, "#login button");
    await perform(page, "#list");
    expect(await perform(page, "#login button")).toMatchObject({ code: "ok" });
    expect(await rows.count()).toBe(0);
  });

  test("a session that is revoked by keyboard leaves the focus on its neighbour", async () => {
    const { credentials } = await registerUser(server.url);
    const { username: identifier, password } = credentials;
    for (let times = 0; times < 2; times++) await call(`${server.url}/auth/login`, { body: { identifier, password } });
    const page = await openTab();
    await page.fill("#identifier", identifier);
    await page.fill("#password", password);
    await perform(page, "#login button");
    await perform(page, "#list");
    const focused = () =>
      page.evaluate(() => {
        const rows = [...document.querySelectorAll("#session-rows tr")];
        const at = rows.findIndex((row) => row.querySelector("button") === document.activeElement);
        return [at, rows.length, document.activeElement?.id];
      });
    // The newest comes first, which is this one.
    await page.locator("#session-rows button").nth(2).focus();
    for (const left of [
      [2, 3, ""],
      [1, 2, ""],
      [0, 1, ""],
      [-1, 0, "list"],
    ]) {
      await page.keyboard.press("Enter");
      await expect.poll(focused).toStrictEqual(left);
    }
  });

  test("a screen reader finds landmarks, one first heading, no level left out, and a name for every control", async () => {
    const page = await openTab();
    await perform(page, "#login button");
    await perform(page, "#list");
    await perform(page, "[data-break=flip]");
    for (const summary of await page.locator(".rail summary").all()) await summary.click();
    const tree = await accessibilityTree(page);
    const count = (role: string) => tree.filter((node) => node.role === role).length;
    expect([count("main"), count("banner"), count("contentinfo")]).toStrictEqual([1, 1, 1]);

    const controls = [
      "button",
      "textbox",
      "radio",
      "link",
      "DisclosureTriangle",
      "form",
      "region",
      "table",
      "radiogroup",
    ];
    const unnamed = tree.filter(({ role, name }) => controls.includes(role) && name === "");
    expect(unnamed).toStrictEqual([]);
    expect(count("button")).toBeGreaterThan(20);
    expect(count("textbox")).toBe(13);

    const levels = await page.$$eval("h1,h2,h3,h4", (all) =>
      all.filter((each) => each.checkVisibility()).map(({ tagName }) => Number(tagName[1])),
    );
    expect(levels.filter((level) => level === 1)).toHaveLength(1);
    expect(levels.filter((level, index) => level > (levels[index - 1] ?? 0) + 1)).toStrictEqual([]);
    const ids = await page.$$eval("[id]", (all) => all.map(({ id }) => id));
    expect(new Set(ids).size).toBe(ids.length);
  });

  test("every text stands out from its ground by 4.5 at least, in light and in dark", async () => {
    const page = await openTab("rsa");
    await perform(page, "#login button");
    await perform(page, "#list");
    await perform(page, "[data-break=flip]");
    await perform(page, "[data-break=refresh]");
    await page.$$eval("details", (all) => {
      for (const details of all) details.open = true;
    });
    for (const theme of ["light", "dark"]) {
      expect(await page.getAttribute("html", "data-theme")).toBe(theme);
      expect(await faintTexts(page)).toStrictEqual([]);
      await page.click("#theme");
    }
    await page.evaluate(() => document.documentElement.style.setProperty("--soft", "#bbb"));
    expect((await faintTexts(page)).length).toBeGreaterThan(20);
  });

  test("the page is dark where the system is, and as narrow as a phone", async () => {
    const phone = await browser.newContext({ colorScheme: "dark", viewport: { width: 360, height: 740 } });
    const page = await openPlayground(phone, server, "rsa");
    await perform(page, "#login button");
    expect(await page.getAttribute("html", "data-theme")).toBe("dark");
    for (const id of ["kid", "clear", "channel"]) await perform(page, `[data-break=${id}]`);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
    const [whole, shown] = await page.$eval(".log-scroll", (log) => [log.scrollWidth, log.clientWidth]);
    expect(whole).toBe(shown);
    expect(await page.isVisible("#log-rows .took-cell")).toBe(true);
    await phone.close();
  });
});

/** What auth.js is at this moment, where the server looks for it. */
async function buildClient(): Promise<void> {
  const dist = fileURLToPath(new URL("../dist/", import.meta.url));
  await mkdir(dist, { recursive: true });
  await writeFile(`${dist}auth.js.${process.pid}`, await buildScript());
  await rename(`${dist}auth.js.${process.pid}`, `${dist}auth.js`);
}

/** A server on real time that knows its own origin, with its demo user. */
async function startServer(env: Record<string, string> = {}): Promise<TestApp> {
  const port = await freePort();
  const app = await startApp({
    env: {
      PORT: String(port),
      CORS_ORIGINS: `http://127.0.0.1:${port}`,
      RATE_LIMIT_HANDSHAKE_IP: "off",
      ...env,
    },
    overrides: { clock: { now: () => new Date() } },
  });
  await call(`${app.url}/auth/register`, { body: DEMO_USER });
  return app;
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const taken = createServer().listen(0, "127.0.0.1", () => {
      const { port } = taken.address() as AddressInfo;
      taken.close(() => resolve(port));
    });
  });
}

async function openPlayground(context: BrowserContext, app: TestApp, mode: Mode): Promise<Page> {
  const page = await context.newPage();
  await page.goto(`${app.url}/playground`);
  await page.waitForSelector("html[data-ready]");
  await page.check(`#mode-${mode}`);
  return page;
}

/** Presses a button, and reads the card that comes of it. */
function perform(page: Page, button: string) {
  return settled(page, () => page.click(button));
}

async function settled(page: Page, act: () => Promise<unknown>) {
  const top = () => page.evaluate(() => document.querySelector("#cards h3")?.id);
  const before = await top();
  await act();
  await page.waitForFunction((id) => document.querySelector("#cards h3")?.id !== id, before);
  return await page.evaluate(() => {
    const card = document.querySelector("#cards > article") as HTMLElement;
    const textOf = (selector: string) => card.querySelector(selector)?.textContent ?? "";
    return {
      kind: card.dataset["call"],
      outcome: card.dataset["outcome"],
      code: textOf("[data-code]"),
      verdict: textOf(".verdict"),
      steps: [...card.querySelectorAll(".chip")].map((chip) => (chip.textContent ?? "").replace(/^\d+/, "")),
      clear: textOf(".pane-clear pre"),
      wire: textOf(".pane-wire"),
      opened: textOf(".pane-opened"),
    };
  });
}

/** What assistive technology is told, as role and name. */
async function accessibilityTree(page: Page): Promise<{ role: string; name: string }[]> {
  const session = await page.context().newCDPSession(page);
  const { nodes } = await session.send("Accessibility.getFullAXTree");
  return nodes
    .filter(({ ignored }) => !ignored)
    .map(({ role, name }) => ({ role: String(role?.value ?? ""), name: String(name?.value ?? "").trim() }));
}

/** Visible texts whose contrast (WCAG 2.2, 1.4.3) with the ground behind them is under 4.5. */
function faintTexts(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const channels = (color: string) => (color.match(/[\d.]+/g) ?? []).map(Number);
    const luminance = (color: string) => {
      const [red = 0, green = 0, blue = 0] = channels(color).map((value) => {
        const part = value / 255;
        return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const groundOf = (element: Element | null): string => {
      if (element === null) return "rgb(255, 255, 255)";
      const { backgroundColor } = getComputedStyle(element);
      return channels(backgroundColor)[3] === 0 ? groundOf(element.parentElement) : backgroundColor;
    };
    const hasText = (element: Element) =>
      [...element.childNodes].some(
        ({ nodeType, data }: Node & { data?: string }) => nodeType === 3 && data?.trim() !== "",
      );
    const faint = (element: Element) => {
      const isShape = element.closest("svg") !== null;
      const [one, other] = [luminance(getComputedStyle(element).color), luminance(groundOf(element))];
      return !isShape && (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05) < 4.5;
    };
    return [...document.body.querySelectorAll("*")]
      .filter(
        (element) => element.checkVisibility() && (hasText(element) || element.matches("input")) && faint(element),
      )
      .map((element) => `${element.tagName} ${element.className} ${element.textContent?.slice(0, 40)}`);
  });
}
