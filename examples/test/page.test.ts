import { existsSync } from "node:fs";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { createAuth } from "@sello/node-client";
import { type Browser, chromium, type Page } from "playwright-core";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { isRequired } from "../../envelope/test/support/requirements.ts";
import { newServiceAccount } from "../../server/test/support/backend.ts";
import { PASSWORD, registerUser } from "../../server/test/support/client.ts";
import { startAppForTest } from "../../server/test/support/start-app.ts";
import { chromiumPath } from "../../web-client/test/support/chromium.ts";

const canRun = existsSync(chromiumPath) && existsSync(fileURLToPath(new URL("../node_modules", import.meta.url)));
const mustRun = isRequired("examples") && isRequired("chromium");

/** The page, both back ends and the server, as `npm run examples` starts them. */
async function startAll() {
  const addresses = { sello: "", express: "", fastify: "" };
  const { createPageServer } = await load("../page/serve.mjs");
  const page = await listen((await createPageServer(addresses)) as Server);
  const server = await startAppForTest({
    env: { CORS_ORIGINS: page },
    overrides: { clock: { now: () => new Date() } },
  });
  const auth = createAuth({ address: server.url, serviceAccount: await newServiceAccount(server) });
  onTestFinished(() => auth.close());
  const express = await load("../express/app.mjs");
  const fastify = await load("../fastify/app.mjs");
  const app = await fastify.createApp({ auth, origins: [page] });
  onTestFinished(() => app.close());
  addresses.sello = server.url;
  addresses.express = await listen(express.createApp({ auth, origins: [page] }).listen(0, "127.0.0.1"));
  addresses.fastify = await app.listen({ port: 0, host: "127.0.0.1" });
  return { page, server };
}

/** By a name that the compiler does not follow: what it imports may not be installed. */
function load(path: string) {
  return import(new URL(path, import.meta.url).href);
}

async function listen(server: Server): Promise<string> {
  if (!server.listening) await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function openPage(url: string): Promise<{ page: Page; problems: string[] }> {
  const args = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"];
  const browser: Browser = await chromium.launch({ executablePath: chromiumPath, args });
  onTestFinished(() => browser.close());
  const page = await browser.newPage();
  const problems: string[] = [];
  page.on("pageerror", (error) => problems.push(String(error)));
  await page.goto(url);
  await page.waitForSelector("body[data-ready]");
  return { page, problems };
}

describe.skipIf(!canRun && !mustRun)("the page, in Chromium (needs npm ci in examples/)", () => {
  test("logs in, orders sealed from both back ends, and nobody on the way reads it", async () => {
    const { page: url, server } = await startAll();
    const user = await registerUser(server.url);
    const { page, problems } = await openPage(url);
    const sent: string[] = [];
    page.on("request", (request) => {
      if (request.method() === "POST" && request.url().endsWith("/orders")) sent.push(request.postData() ?? "");
    });
    const newest = (text: string) =>
      vi.waitFor(
        async () => expect(await page.locator("#log li").first().textContent({ timeout: 1_000 })).toContain(text),
        {
          timeout: 5_000,
          interval: 20,
        },
      );
    const shown = async () => {
      const buttons = await page.locator("button:visible").allTextContents();
      return buttons.join(", ");
    };
    expect(await shown()).toBe("Log in");
    await page.fill("[name=user]", user.credentials.username);
    await page.fill("[name=password]", PASSWORD);
    await page.click("#login button[type=submit]");
    await newest(user.credentials.username);
    expect(await shown()).toBe("Log out, Order, My orders, Administer");

    for (const backend of ["express", "fastify"]) {
      for (const envelope of ["stateful", "stateless"]) {
        const item = `${envelope}-${backend}`;
        await page.fill("[name=item]", item);
        await page.selectOption("[name=backend]", backend);
        await page.selectOption("[name=envelope]", envelope);
        await page.click("#order button[type=submit]");
        await newest(`"item":"${item}"`);
      }
      await page.click("#list");
      await newest(`GET ${backend}/orders: {"orders":[{"id":1,"item":"stateful-${backend}"`);
      await page.click("#admin");
      await newest("forbidden");
      await page.selectOption("[name=envelope]", "none");
      await page.click("#order button[type=submit]");
      await newest("envelope_required");
    }
    const inClear = sent.filter((body) => body.includes('"item"'));
    expect([sent.length, inClear.length]).toStrictEqual([6, 2]);
    await page.click("#logout");
    await newest("logout");
    expect(await shown()).toBe("Log in");
    expect(problems).toStrictEqual([]);
  });
});
