import { readdirSync } from "node:fs";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { buildScript } from "../../web-client/build.mjs";
import { DEMO_USER } from "../src/demo.ts";
import { readPlayground } from "../src/http/playground.ts";
import { call, type ErrorBody } from "./support/client.ts";
import { hasRedisServer, isRequired, startRedisServer } from "./support/redis-server.ts";
import { startApp, startAppForTest, type TestApp } from "./support/start-app.ts";
import { openWire } from "./support/wire.ts";

const WEB_CLIENT = fileURLToPath(new URL("../../web-client/", import.meta.url));
const SETTINGS = { host: "127.0.0.1", channelTtlS: 900, accessTtlS: 900, demo: DEMO_USER };
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
  "frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

let server: TestApp;
beforeAll(async () => {
  await mkdir(`${WEB_CLIENT}dist`, { recursive: true });
  const unfinished = `${WEB_CLIENT}dist/auth.js.${process.pid}`;
  await writeFile(unfinished, await buildScript());
  await rename(unfinished, `${WEB_CLIENT}dist/auth.js`);
  server = await startApp();
});
afterAll(() => server[Symbol.asyncDispose]());

const get = (path: string, init: RequestInit = {}) => fetch(server.url + path, init);
const names = readdirSync(`${WEB_CLIENT}playground`);

describe("the playground, in development", () => {
  test("is a page, at its address with and without a slash", async () => {
    for (const path of ["/playground", "/playground/", "/playground?from=readme"]) {
      const response = await get(path);
      expect(response.status).toBe(200);
      expect(await response.text()).toContain("<title>Sello playground</title>");
    }
  });

  test.each([
    ["", "text/html; charset=utf-8"],
    ["/page.css", "text/css; charset=utf-8"],
    ["/main.js", "text/javascript; charset=utf-8"],
    ["/auth.js", "text/javascript; charset=utf-8"],
    ["/settings.json", "application/json"],
  ])("serves /playground%s by its type, under a policy that allows nothing inline", async (name, type) => {
    const { status, headers } = await get(`/playground${name}`);
    expect(status).toBe(200);
    expect(Object.fromEntries(headers)).toMatchObject({
      "content-type": type,
      "content-security-policy": POLICY,
      "cache-control": "no-cache",
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY",
      etag: expect.stringMatching(/^"[\w-]{22}"$/),
    });
  });

  test("serves every file of its folder", async () => {
    for (const name of names.filter((each) => each !== "index.html")) {
      expect([name, (await get(`/playground/${name}`)).status]).toStrictEqual([name, 200]);
    }
  });

  test("has nothing inline for that policy to stop", async () => {
    const html = await (await get("/playground")).text();
    expect(html).not.toMatch(/<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)/);
  });

  test("does not send again what a browser has", async () => {
    const etag = (await get("/playground/main.js")).headers.get("etag") ?? "";
    for (const held of [etag, `W/${etag}`, `"other", ${etag}`]) {
      const response = await get("/playground/main.js", { headers: { "if-none-match": held } });
      expect([response.status, await response.text(), response.headers.get("etag")]).toStrictEqual([304, "", etag]);
      expect(response.headers.get("content-security-policy")).toBe(POLICY);
    }
    expect((await get("/playground/main.js", { headers: { "if-none-match": '"other"' } })).status).toBe(200);
  });

  test("answers HEAD, and no other verb", async () => {
    const head = await get("/playground", { method: "HEAD" });
    expect([head.status, await head.text()]).toStrictEqual([200, ""]);
    const { status, headers } = await call(`${server.url}/playground`, { method: "POST", body: {} });
    expect([status, headers.get("allow")]).toStrictEqual([405, "GET, HEAD"]);
  });

  test.each([
    "/playground/nothing.js",
    "/playground/%2e%2e/package.json",
    "/playground/../package.json",
    "/playground//main.js",
  ])("has no file at %s", async (path) => {
    await using wire = openWire(server.url);
    expect((await wire.http1({ path, method: "GET" })).status).toBe(404);
  });

  test("says how long channels and tokens live, and whom to log in as", async () => {
    const { body } = await call(`${server.url}/playground/settings.json`);
    expect(body).toStrictEqual({ channelTtlS: 900, accessTtlS: 900, demo: DEMO_USER });
  });
});

test("where others reach the server, the playground names nobody whose password is known", async () => {
  const url = await serve(await readPlayground({ ...SETTINGS, host: "0.0.0.0" }));
  expect(await (await fetch(`${url}/playground/settings.json`)).json()).toMatchObject({ demo: null });
});

test("where the browser's client was not built, the page says so in one line", async () => {
  const url = await serve(await readPlayground(SETTINGS, pathToFileURL("/nowhere/")));
  for (const path of ["/playground", "/playground/"]) {
    const response = await fetch(url + path);
    expect(response.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(await response.text()).toMatch(/^The playground needs .*npm run build -w @sello\/web-client.*\n$/);
  }
});

test.skipIf(!hasRedisServer && !isRequired("redis"))("in production there is no playground", async () => {
  const redis = await startRedisServer();
  onTestFinished(() => redis[Symbol.asyncDispose]());
  const production = await startAppForTest({
    env: {
      APP_ENV: "production",
      REDIS_URL: redis.url,
      ISSUER: "https://auth.example.com",
      CORS_ORIGINS: "https://app.example.com",
      ARGON2_MEMORY_KIB: "19456",
    },
  });
  for (const name of ["", "/", "/auth.js", "/settings.json", ...names.map((each) => `/${each}`)]) {
    const { status, body } = await call<ErrorBody>(`${production.url}/playground${name}`);
    expect([name, status, body.error.code]).toStrictEqual([name, 404, "not_found"]);
  }
});

/** The pages behind a server of Node's own. */
async function serve(pages: Awaited<ReturnType<typeof readPlayground>>): Promise<string> {
  const site = createServer((request, response) => pages.get(request.url ?? "")?.(response, request));
  await new Promise<void>((resolve) => site.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void site.close());
  return `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
}
