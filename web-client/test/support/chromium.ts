import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { type BrowserContext, chromium, type Page } from "playwright-core";
import { buildScript, buildUserData } from "../../build.mjs";
import type { AuthScript } from "../../src/auth-script.ts";
import type * as InPage from "../../src/index.ts";

export const chromiumPath = "/usr/bin/chromium";
const args = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

declare global {
  /** The ES module, in a page at `/`. */
  var selloClient: typeof InPage;
  /** What `addClient` made. */
  var client: InPage.AuthClient;
  /** What auth.js adds, in a page at `/script`. */
  var configAuth: AuthScript["configAuth"];
  var register: AuthScript["register"];
  var login: AuthScript["login"];
  var logout: AuthScript["logout"];
  var apiCall: AuthScript["apiCall"];
  var AuthError: AuthScript["AuthError"];
  /** Of user-data.min.js, in a page that has loaded `/add-user-data.js`. */
  var createVault: typeof InPage.createVault;
}

/** What a page may load: nothing inline, nothing evaluated. */
const POLICY = "default-src 'none'; script-src 'self'; connect-src http:";

/** Chromium, and a site whose page at `/` has the ES module and at `/script` the classic script. */
export async function startChromium() {
  const files = new Map<string, [type: string, content: string | Uint8Array]>([
    ["/", ["text/html", '<!doctype html><script src="/module.js"></script>']],
    ["/script", ["text/html", '<!doctype html><script src="/auth.js"></script>']],
    ["/module.js", ["text/javascript", await bundleModule()]],
    ["/auth.js", ["text/javascript", await buildScript()]],
    ["/user-data.min.js", ["text/javascript", await buildUserData()]],
    [
      "/add-user-data.js",
      ["text/javascript", 'import * as userData from "/user-data.min.js"; Object.assign(globalThis, userData);'],
    ],
  ]);
  const site = createServer((request, response) => {
    const [type, content] = files.get(request.url ?? "") ?? ["text/plain", ""];
    response.writeHead(200, { "content-type": type, "content-security-policy": POLICY }).end(content);
  });
  await new Promise<void>((resolve) => site.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
  const browser = await chromium.launch({ executablePath: chromiumPath, args });
  return {
    origin,
    newContext: () => browser.newContext({ baseURL: origin }),
    async close() {
      await browser.close();
      site.close();
    },
  };
}

async function bundleModule(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("../../src/index.ts", import.meta.url))],
    bundle: true,
    write: false,
    platform: "browser",
    format: "iife",
    globalName: "selloClient",
    target: "es2022",
    alias: { "@sello/envelope": fileURLToPath(new URL("../../../envelope/src/index.ts", import.meta.url)) },
  });
  return outputFiles.map(({ text }) => text).join("");
}

export type ClientOptions = { baseUrl: string; envelope?: InPage.EnvelopeMode; alg?: "RSA-OAEP-256" | "ECDH-ES" };

/** A tab whose page has made a client, the global `client`. */
export async function openTab(context: BrowserContext, options: ClientOptions): Promise<Page> {
  const page = await context.newPage();
  await page.goto("/");
  await addClient(page, options);
  return page;
}

export async function addClient(page: Page, options: ClientOptions): Promise<void> {
  await page.evaluate((given) => {
    globalThis.client = selloClient.createAuthClient(given);
  }, options);
}

/** How many requests to the RPC the tab makes from now on. */
export function countRequests(page: Page, method: string): () => number {
  let count = 0;
  page.on("request", (request) => {
    if (request.method() === "POST" && request.url().endsWith(`/${method}`)) count++;
  });
  return () => count;
}
