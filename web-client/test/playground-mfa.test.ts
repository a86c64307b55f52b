import { existsSync } from "node:fs";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isRequired } from "../../envelope/test/support/requirements.ts";
import { startApp, type TestApp } from "../../server/test/support/start-app.ts";
import { buildScript } from "../build.mjs";
import type { AuthScript } from "../src/auth-script.ts";
import { chromiumPath } from "./support/chromium.ts";

const SHOTS = process.env["PLAYGROUND_SHOTS"];

describe.skipIf(!existsSync(chromiumPath) && !isRequired("chromium"))("the second factor in the playground", () => {
  let browser: Browser;
  let server: TestApp;
  beforeAll(async () => {
    const dist = fileURLToPath(new URL("../dist/", import.meta.url));
    await mkdir(dist, { recursive: true });
    await writeFile(`${dist}auth.js.${process.pid}`, await buildScript());
    await rename(`${dist}auth.js.${process.pid}`, `${dist}auth.js`);
    browser = await chromium.launch({ executablePath: chromiumPath, args: ["--no-sandbox", "--disable-gpu"] });
    const port = await freePort();
    server = await startApp({
      env: { PORT: String(port), CORS_ORIGINS: `http://127.0.0.1:${port}`, RATE_LIMIT_HANDSHAKE_IP: "off" },
      overrides: { clock: { now: () => new Date() } },
    });
  });
  afterAll(async () => {
    await browser?.close();
    await server?.[Symbol.asyncDispose]();
  });

  test("is turned on, asked for, used by recovery code, and turned off", async () => {
    const page = await openPlayground(browser, server);
    const { username, password } = await register(page);
    expect(await page.textContent("#factor-state")).toBe("Off: a password is enough.");

    expect(await pressed(page, "#enroll")).toBe("enroll ok");
    expect(await page.getAttribute("#qr", "src")).toMatch(/^data:image\/svg\+xml,/);
    expect(await page.$eval("#qr", (image) => (image as HTMLImageElement).naturalWidth)).toBeGreaterThan(100);
    expect(await page.textContent("#secret")).toMatch(/^([A-Z2-7]{4} ?){8}$/);
    expect(await focused(page)).toBe("confirm-code");
    await shoot(page, "enroll");
    await page.click("#confirm-code-fill");
    await page.waitForFunction(() => (document.querySelector("#confirm-code") as HTMLInputElement).value.length === 6);
    expect(await pressed(page, "#confirm button[type=submit]")).toBe("confirm ok");
    expect(await focused(page)).toBe("recovery-title");
    const codes = await page.locator("#recovery-codes code").allTextContents();
    expect(codes).toHaveLength(10);
    expect([await page.textContent("#factor-state"), await page.isVisible("#enrollment")]).toStrictEqual([
      "On: a login asks for a code.",
      false,
    ]);
    expect(await page.textContent("#secret")).toBe("");
    await shoot(page, "recovery");
    await page.click("#recovery-done");
    expect(await page.locator("#recovery-codes code").count()).toBe(0);

    await pressed(page, "#logout");
    await page.fill("#identifier", username);
    await page.fill("#password", password);
    expect(await pressed(page, "#login button")).toBe("login ok");
    expect([await page.textContent("#user"), await focused(page)]).toStrictEqual(["nobody", "verify-code"]);
    await shoot(page, "verify");
    await page.fill("#verify-code", "ZZZZ-ZZZZ-ZZZZ-ZZZZ");
    expect(await pressed(page, "#verify button.primary")).toBe("verify mfa_invalid");
    await page.fill("#verify-code", codes[0] ?? "");
    expect(await pressed(page, "#verify button.primary")).toBe("verify ok");
    expect([await page.textContent("#user"), await page.isVisible("#verify")]).toStrictEqual([username, false]);

    expect(await pressed(page, "#regenerate")).toBe("regenerate ok");
    const [fresh = ""] = await page.locator("#recovery-codes code").allTextContents();
    expect(await scriptLogin(page, { username, password, code: fresh })).toStrictEqual([true, username]);
    await page.click("#recovery-done");
    await page.fill("#disable-code", "000");
    expect(await pressed(page, "#disable button[type=submit]")).toBe("disable mfa_invalid");
    await page.click("#disable-code-fill");
    await page.waitForFunction(() => (document.querySelector("#disable-code") as HTMLInputElement).value.length === 6);
    expect(await pressed(page, "#disable button[type=submit]")).toBe("disable ok");
    expect(await page.textContent("#factor-state")).toBe("Off: a password is enough.");
    await page.context().close();
  });

  test("is not changed after a while, until the user has proven who it is", async () => {
    const page = await openPlayground(browser, server);
    const { password } = await register(page);
    await server.db.query("UPDATE sessions SET created_at = created_at - interval '601 seconds'");
    expect(await pressed(page, "#enroll")).toBe("enroll reauthentication_required");
    await page.getByText("Prove who you are again").click();
    await page.fill("#prove-password", password);
    expect(await pressed(page, "#prove button[type=submit]")).toBe("prove ok");
    expect(await pressed(page, "#enroll")).toBe("enroll ok");
    await page.context().close();
  });

  test("is offered again where the user stops half-way", async () => {
    const page = await openPlayground(browser, server);
    await register(page);
    await pressed(page, "#enroll");
    await page.click("#enroll-cancel");
    expect([await page.isVisible("#enrollment"), await page.textContent("#secret")]).toStrictEqual([false, ""]);
    expect([await page.isVisible("#factor-state"), await focused(page)]).toStrictEqual([true, "enroll"]);
    expect(await pressed(page, "#enroll")).toBe("enroll ok");
    await page.context().close();
  });

  test("of one user is not shown to the next", async () => {
    const page = await openPlayground(browser, server);
    await register(page);
    await pressed(page, "#enroll");
    await pressed(page, "#logout");
    expect([await page.isVisible("#enrollment"), await page.textContent("#secret")]).toStrictEqual([false, ""]);
    expect(await page.getAttribute("#qr", "src")).toBeNull();
    expect(await page.textContent("#factor-state")).toBe("Log in to turn it on.");
    await page.context().close();
  });

  test.each([
    ["light", 1280],
    ["dark", 1280],
    ["light", 390],
    ["dark", 390],
  ] as const)("fits the page in %s at %i pixels", async (colorScheme, width) => {
    const page = await openPlayground(browser, server, { colorScheme, viewport: { width, height: 844 } });
    await register(page);
    await pressed(page, "#enroll");
    const widths = () => page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    const [wide, inner] = await widths();
    expect(wide).toBe(inner);
    expect([await onScreen(page, "#qr"), await onScreen(page, "#confirm-code")]).toStrictEqual([true, true]);
    expect([await page.isVisible("#factor-state"), await page.isVisible("#enroll")]).toStrictEqual([false, false]);
    await shoot(page, `${colorScheme}-${width}-enroll`);
    await page.click("#confirm-code-fill");
    await page.waitForFunction(() => (document.querySelector("#confirm-code") as HTMLInputElement).value.length === 6);
    await pressed(page, "#confirm button[type=submit]");
    expect((await widths())[0]).toBe(inner);
    expect([await onScreen(page, "#recovery-title"), await onScreen(page, "#recovery-done")]).toStrictEqual([
      true,
      true,
    ]);
    await shoot(page, `${colorScheme}-${width}-recovery`);
    await page.context().close();
  });
});

async function openPlayground(browser: Browser, server: TestApp, options = {}): Promise<Page> {
  const context = await browser.newContext({ reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  await page.goto(`${server.url}/playground`);
  await page.waitForSelector("html[data-ready]");
  return page;
}

async function register(page: Page): Promise<{ username: string; password: string }> {
  await page.getByText("Register somebody").click();
  const [username, password] = [await page.inputValue("#username"), await page.inputValue("#new-password")];
  expect(await pressed(page, "#register button")).toBe("register ok");
  await page.getByText("Register somebody").click();
  return { username, password };
}

/** Presses a button, and says which card came of it, and with which code. */
async function pressed(page: Page, button: string): Promise<string> {
  const top = () => page.evaluate(() => document.querySelector("#cards h3")?.id);
  const before = await top();
  await page.click(button);
  await page.waitForFunction((id) => document.querySelector("#cards h3")?.id !== id, before);
  return page.$eval("#cards > article", (card) => {
    const code = card.querySelector("[data-code]")?.textContent;
    return `${(card as HTMLElement).dataset["call"]} ${code}`;
  });
}

/** As a page does that has `auth.js` and nothing else. */
function scriptLogin(page: Page, who: { username: string; password: string; code: string }): Promise<unknown> {
  return page.evaluate(async ({ username, password, code }) => {
    const script = globalThis as unknown as AuthScript;
    script.configAuth({ serverUrl: location.origin });
    const result = await script.login(username, password);
    const user = await script.verifyMfa(result.mfaRequired ? result.challenge : "", code);
    return [result.mfaRequired, user.username];
  }, who);
}

const focused = (page: Page) => page.evaluate(() => document.activeElement?.id);

/** Whether the whole of an element is in the window as it is scrolled now. */
const onScreen = (page: Page, selector: string) =>
  page.$eval(selector, (element) => {
    const { top, bottom } = element.getBoundingClientRect();
    return top >= 0 && bottom <= innerHeight;
  });

/** For a person to look at, where PLAYGROUND_SHOTS names a folder. */
async function shoot(page: Page, name: string): Promise<void> {
  const options = SHOTS === undefined ? {} : { path: `${SHOTS}/${name}.png` };
  expect((await page.screenshot(options)).length).toBeGreaterThan(1000);
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const taken = createServer().listen(0, "127.0.0.1", () => {
      const { port } = taken.address() as AddressInfo;
      taken.close(() => resolve(port));
    });
  });
}
