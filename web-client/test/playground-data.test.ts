import { existsSync } from "node:fs";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isRequired } from "../../envelope/test/support/requirements.ts";
import { startApp, type TestApp } from "../../server/test/support/start-app.ts";
import { chromiumPath } from "./support/chromium.ts";

describe.skipIf(!existsSync(chromiumPath) && !isRequired("chromium"))("the playground in Chromium", () => {
  let browser: Browser;
  let server: TestApp;
  beforeAll(async () => {
    [browser, server] = await Promise.all([
      chromium.launch({ executablePath: chromiumPath, args: ["--no-sandbox", "--disable-gpu"] }),
      startApp(),
    ]);
  });
  afterAll(async () => {
    await browser?.close();
    await server?.[Symbol.asyncDispose]();
  });

  /** What the card of an action says, once it is there. */
  async function perform(page: Page, kind: string, button: string) {
    await page.click(button);
    const card = page.locator("#cards > article").first();
    await page.locator(`#cards > article:first-child[data-call="${kind}"]`).waitFor();
    return {
      code: await card.locator("[data-code]").first().textContent(),
      clear: (await card.locator(".pane-clear pre").first().textContent()) ?? "",
      wire: (await card.locator(".pane-wire").first().textContent()) ?? "",
      opened: (await card.locator(".pane-opened").first().textContent()) ?? "",
    };
  }

  test("stores and reads data of each class, sealed, and shows the recovery key once", async () => {
    const page = await browser.newPage();
    await page.goto(`${server.url}/playground`);
    await page.waitForSelector("html[data-ready]");
    await page.getByText("Register somebody").click();
    const password = await page.inputValue("#new-password");
    await perform(page, "register", "#register button");

    const saved = await perform(page, "save-profile", "#save-profile button[type=submit]");
    expect(saved).toMatchObject({ code: "ok", clear: expect.stringContaining("+44 20 7946 0958") });
    expect(saved.wire).toContain("__session_enc__");
    expect(saved.wire).not.toContain("+44 20");
    const read = await perform(page, "read-profile", "#read-profile");
    expect(read.opened).toContain("+44 20 7946 0958");

    await page.getByText("Private data").click();
    await page.fill("#private-password", password);
    const stored = await perform(page, "save-private", "#save-private button[type=submit]");
    expect(stored.opened).toMatch(/recovery_key[\s\S]*(\w{4}-){13}\w{4}/);
    const unlocked = await perform(page, "unlock", "#unlock");
    expect(unlocked).toMatchObject({ code: "ok", opened: expect.stringContaining("GB33BUKB20201555555555") });
    await page.fill("#private-password", "not the passphrase");
    await page.click("#unlock");
    await page.getByText("invalid_credentials").first().waitFor();
    await page.close();
  });
});
