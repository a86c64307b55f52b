import { existsSync } from "node:fs";
import type { DescMessage } from "@bufbuild/protobuf";
import { AddressSchema, ProtectedDataSchema } from "@sello/gen/userdata/v1/userdata_pb";
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

    expect(await page.isDisabled("#save-profile button[type=submit]")).toBe(true);
    await perform(page, "read-profile", "#read-profile");
    expect(JSON.parse(await page.inputValue("#data-public"))).toStrictEqual({ displayName: "", avatarUrl: "" });
    await page.fill("#data-protected", '{\n  "phone": "+44 20 7946 0958"\n}');
    const saved = await perform(page, "save-profile", "#save-profile button[type=submit]");
    expect(saved).toMatchObject({ code: "ok", clear: expect.stringContaining("+44 20 7946 0958") });
    expect(saved.wire).toContain("__session_enc__");
    expect(saved.wire).not.toContain("+44 20");
    const read = await perform(page, "read-profile", "#read-profile");
    expect(read.opened).toContain("+44 20 7946 0958");

    await page.getByText("Private data").click();
    await page.fill("#private-password", password);
    await perform(page, "unlock", "#unlock");
    await page.fill("#data-private", '{"bankAccount":"GB33BUKB20201555555555"}');
    const stored = await perform(page, "save-private", "#save-private button[type=submit]");
    expect(stored.opened).toMatch(/recovery_key[\s\S]*(\w{4}-){13}\w{4}/);
    const unlocked = await perform(page, "unlock", "#unlock");
    expect(unlocked).toMatchObject({ code: "ok", opened: expect.stringContaining("GB33BUKB20201555555555") });
    await page.fill("#private-password", "not the passphrase");
    await page.click("#unlock");
    await page.getByText("invalid_credentials").first().waitFor();
    await page.close();
  });

  test("shows the members of the messages, and sends no text that a message does not take", async () => {
    const page = await browser.newPage();
    await page.goto(`${server.url}/playground`);
    await page.waitForSelector("html[data-ready]");
    expect(await page.textContent("#data-protected-fields")).toBe(
      `Members: ${membersOf(ProtectedDataSchema).replace("address", `address { ${membersOf(AddressSchema)} }`)}`,
    );
    await page.getByText("Register somebody").click();
    await perform(page, "register", "#register button");
    await perform(page, "read-profile", "#read-profile");
    await page.fill("#data-public", '{"displayName":"Ada"}');
    await perform(page, "save-profile", "#save-profile button[type=submit]");
    const cards = await page.locator("#cards > article").count();

    const refused = async (id: string, text: string) => {
      await page.fill(`#${id}`, text);
      await page.click("#save-profile button[type=submit]");
      expect(await page.evaluate(() => document.activeElement?.id)).toBe(id);
      expect(await page.getAttribute(`#${id}`, "aria-invalid")).toBe("true");
      return page.textContent(`#${id}-error`);
    };
    expect(await refused("data-protected", '{"address":{"city":"London"}}')).toContain('"city"');
    expect(await refused("data-protected", '{"phone":7}')).toContain("phone");
    expect(await refused("data-public", '{"displayName":')).toMatch(/^This is no JSON: /);
    expect(await page.locator("#cards > article").count()).toBe(cards);

    await perform(page, "read-profile", "#read-profile");
    expect(JSON.parse(await page.inputValue("#data-public"))).toMatchObject({ displayName: "Ada" });
    expect(await page.textContent("#data-public-error")).toBe("");
    await page.click("#logout");
    await page.waitForFunction(() => document.querySelector("#user")?.textContent === "nobody");
    expect(await page.inputValue("#data-public")).not.toContain("Ada");
    await page.close();
  });

  test("the theme button says which theme is on, and takes turns", async () => {
    const page = await browser.newPage({ colorScheme: "dark" });
    await page.goto(`${server.url}/playground`);
    const button = async () => [await page.textContent("#theme"), await page.getAttribute("#theme", "aria-pressed")];
    await page.waitForSelector("html[data-ready]");
    expect(await button()).toStrictEqual(["Theme: dark", "true"]);
    await page.click("#theme");
    expect(await button()).toStrictEqual(["Theme: light", "false"]);
    await page.close();
  });
});

function membersOf({ fields }: DescMessage): string {
  return fields.map(({ jsonName }) => jsonName).join(", ");
}
