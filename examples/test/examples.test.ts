import { existsSync } from "node:fs";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { type Auth, createAuth } from "@sello/node-client";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { isRequired } from "../../envelope/test/support/requirements.ts";
import { newServiceAccount } from "../../server/test/support/backend.ts";
import { call, type ErrorBody, newUser } from "../../server/test/support/client.ts";
import { startApp, type TestApp } from "../../server/test/support/start-app.ts";
import { type AuthClient, AuthError, createAuthClient } from "../../web-client/src/index.ts";

const installed = existsSync(fileURLToPath(new URL("../node_modules", import.meta.url)));

test("Express and Fastify are installed where this run must exercise them (npm ci in examples/)", () => {
  expect(isRequired("examples") && !installed).toBe(false);
});

const PAGE = "https://app.example.com";
const suite = installed ? describe : describe.skip;

type Shop = { url: string; close(): Promise<void> };

const SHOPS: [string, (auth: Auth) => Promise<Shop>][] = [
  ["Express", startExpress],
  ["Fastify", startFastify],
];

async function startExpress(auth: Auth): Promise<Shop> {
  const { createApp } = await load("../express/app.mjs");
  const server: Server = createApp({ auth, origins: [PAGE] }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function startFastify(auth: Auth): Promise<Shop> {
  const { createApp } = await load("../fastify/app.mjs");
  const app = await createApp({ auth, origins: [PAGE] });
  const url: string = await app.listen({ port: 0, host: "127.0.0.1" });
  return { url, close: () => app.close() };
}

/** By a name that the compiler does not follow: what it imports may not be installed. */
function load(path: string) {
  return import(new URL(path, import.meta.url).href);
}

suite.each(SHOPS)("the shop on %s (needs npm ci in examples/)", (_name, startShop) => {
  let server: TestApp;
  let auth: Auth;
  let shop: Shop;
  beforeAll(async () => {
    server = await startApp();
    auth = createAuth({ address: server.url, serviceAccount: await newServiceAccount(server), onProblem: () => {} });
    shop = await startShop(auth);
  });
  afterAll(async () => {
    await shop.close();
    auth.close();
    await server[Symbol.asyncDispose]();
  });

  /** A browser's client, somebody's, with what travelled to and from the shop. */
  async function openBrowser(): Promise<{
    client: AuthClient;
    travelled: string[];
    user: ReturnType<typeof newUser>;
    token(): string;
  }> {
    const travelled: string[] = [];
    let authorization = "";
    const client = createAuthClient({
      baseUrl: server.url,
      apiOrigins: [shop.url],
      fetch: async (input, init) => {
        const response = await fetch(input, init);
        if (!String(input).startsWith(shop.url)) return response;
        authorization = new Headers(init?.headers).get("authorization") ?? "";
        travelled.push(String(init?.body), await response.clone().text());
        return response;
      },
    });
    const user = newUser();
    await client.register(user);
    return { client, travelled, user, token: () => authorization };
  }

  test.each(["stateful", "stateless"] as const)(
    "takes a %s order, and nobody on the way can read it",
    async (envelope) => {
      const { client, travelled, user } = await openBrowser();
      const placed = await client.apiCall(`${shop.url}/orders?via=test`, { item: "an apple" }, { envelope });
      expect(placed).toMatchObject({ order: { item: "an apple", by: user.username } });
      expect(travelled).toHaveLength(2);
      for (const body of travelled) expect(Object.keys(JSON.parse(body))[0]).toMatch(/^__(front|session)_enc__$/);
      expect(travelled.join()).not.toContain("apple");
      const mine = await client.apiCall(`${shop.url}/orders`, undefined, { method: "GET", envelope: "none" });
      expect(mine).toMatchObject({ orders: [{ item: "an apple", by: user.username }] });
    },
  );

  test("takes no order in clear, and none that its schema refuses", async () => {
    const { client } = await openBrowser();
    const order = (payload: object, envelope: "none" | "stateful") =>
      codeOf(client.apiCall(`${shop.url}/orders`, payload, { envelope }));
    expect(await order({ item: "apple" }, "none")).toBe("envelope_required");
    expect(await order({ item: "" }, "stateful")).toBe("validation_failed");
  });

  test("takes an order once", async () => {
    const { client, travelled, token } = await openBrowser();
    await client.apiCall(`${shop.url}/orders`, { item: "apple" });
    const again = await call<ErrorBody>(`${shop.url}/orders`, {
      body: travelled[0] ?? "",
      headers: { authorization: token() },
    });
    expect([again.status, again.body.error.code]).toStrictEqual([400, "envelope_replayed"]);
  });

  test("shows nothing to strangers, and tells them how to come in", async () => {
    const { status, headers, body } = await call<ErrorBody>(`${shop.url}/orders`);
    expect([status, body.error.code, headers.get("www-authenticate")]).toStrictEqual([401, "token_missing", "Bearer"]);
  });

  test("lets only those administer who may", async () => {
    const { client } = await openBrowser();
    const administer = () => client.apiCall(`${shop.url}/admin`, undefined, { method: "GET", envelope: "none" });
    expect(await codeOf(administer())).toBe("forbidden");
    const admin = await openBrowser();
    await server.db.query(
      "INSERT INTO user_roles (user_id, role, granted_at) SELECT id, 'admin', now() FROM users WHERE username = $1",
      [admin.user.username],
    );
    // Tokens of before say what is no longer true, and end.
    await admin.client.login({ identifier: admin.user.username, password: admin.user.password });
    const answer = await admin.client.apiCall(`${shop.url}/admin`, undefined, { method: "GET", envelope: "none" });
    expect(answer).toMatchObject({ hello: admin.user.username });
  });

  test("knows within a second that somebody logged out", async () => {
    const { client, token } = await openBrowser();
    await client.apiCall(`${shop.url}/orders`, undefined, { method: "GET", envelope: "none" });
    const headers = { authorization: token() };
    await client.logout();
    await vi.waitFor(
      async () => {
        const { status, body } = await call<ErrorBody>(`${shop.url}/orders`, { headers });
        expect([status, body.error?.code]).toStrictEqual([401, "token_revoked"]);
      },
      { timeout: 1_500, interval: 20 },
    );
  });

  test("lets its page call, and no other", async () => {
    const ask = (origin: string) =>
      fetch(`${shop.url}/orders`, {
        method: "OPTIONS",
        headers: {
          origin,
          "access-control-request-method": "POST",
          "access-control-request-headers": "authorization,content-type",
        },
      });
    expect((await ask(PAGE)).headers.get("access-control-allow-origin")).toBe(PAGE);
    expect((await ask("https://evil.example")).headers.get("access-control-allow-origin")).not.toBe(
      "https://evil.example",
    );
  });
});

async function codeOf(made: Promise<unknown>): Promise<string> {
  try {
    await made;
    return "none";
  } catch (error) {
    if (error instanceof AuthError) return error.code;
    throw error;
  }
}
