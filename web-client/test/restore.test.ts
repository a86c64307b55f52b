import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newUser } from "../../server/test/support/client.ts";
import { startApp, type TestApp } from "../../server/test/support/start-app.ts";
import { createAuthClient } from "../src/index.ts";
import { codeOf } from "./support/codes.ts";
import { openBrowser } from "./support/test-browser.ts";

let server: TestApp;
beforeAll(async () => {
  server = await startApp();
});
afterAll(() => server[Symbol.asyncDispose]());

describe("a page that was loaded while nobody answered", () => {
  /** A browser with a session in its cookie, and a page whose restore came to nothing. */
  async function unrestored() {
    const browser = openBrowser(server);
    await browser.openTab({ envelope: "none" }).register(newUser());
    const page = browser.openTab({ envelope: "none" });
    const back = browser.intercept("RefreshToken", async () => Promise.reject(new TypeError("Failed to fetch")));
    expect(await codeOf(page.restore())).toBe("offline");
    return { browser, page, back };
  }

  test("takes up its session with the first call when the network is back", async () => {
    const { browser, page, back } = await unrestored();
    back();
    const before = browser.count("RefreshToken");
    const users = await Promise.all([page.me(), page.me(), page.me()]);
    expect(users).toStrictEqual([page.user, page.user, page.user]);
    expect(page.isLoggedIn).toBe(true);
    expect(browser.count("RefreshToken") - before).toBe(1);
  });

  test("says so while it lasts, and sends nothing without a token", async () => {
    const { browser, page } = await unrestored();
    expect(await codeOf(page.me())).toBe("offline");
    expect(browser.count("GetMe")).toBe(0);
  });

  test("asks no more after a logout", async () => {
    const { browser, page, back } = await unrestored();
    back();
    await page.logout();
    const before = browser.count("RefreshToken");
    expect(await codeOf(page.me())).toBe("token_missing");
    expect(browser.count("RefreshToken")).toBe(before);
  });
});

describe("a mistake of the developer's", () => {
  test.each([
    [{ baseUrl: "localhost:8080" }, "address"],
    [{ baseUrl: "https://a.example", envelope: "statefull" }, "envelope"],
    [{ baseUrl: "https://a.example", alg: "RSA" }, "alg"],
    [{ baseUrl: "https://a.example", keyShare: "P256" }, "keyShare"],
    [{ baseUrl: "https://a.example", apiOrigins: "https://b.example" }, "apiOrigins"],
    [{ baseUrl: "https://a.example", apiOrigins: ["https://b.example/"] }, "apiOrigins"],
    [{ baseUrl: "https://a.example", apiOrigins: ["https://b.example:443"] }, "apiOrigins"],
    [{ baseUrl: "https://a.example", apiOrigins: ["*"] }, "apiOrigins"],
    [{ baseUrl: "https://a.example", apiOrigins: ["null"] }, "apiOrigins"],
    [{ baseUrl: "https://a.example", publicKey: "-----BEGIN" }, "publicKey"],
  ])("in the options, %o, is told at once", (options, words) => {
    expect(() => createAuthClient(options as never)).toThrow(TypeError);
    expect(() => createAuthClient(options as never)).toThrow(words);
  });

  test.each(["http://", { a: 1 }, undefined])(
    "in the address of a call, %o, is invalid_request and sends nothing",
    async (url) => {
      const browser = openBrowser(server);
      const page = browser.openTab();
      expect(await codeOf(page.apiCall(url as never, {}))).toBe("invalid_request");
      expect(browser.sent).toStrictEqual([]);
    },
  );
});
