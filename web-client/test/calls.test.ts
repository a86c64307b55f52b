import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { createClient } from "@connectrpc/connect";
import { AuthService } from "@sello/gen/auth/v1/auth_service_pb";
import { Health, HealthCheckResponse_ServingStatus } from "@sello/gen/health/v1/health_pb";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { newUser, PASSWORD } from "../../server/test/support/client.ts";
import { startApp, type TestApp } from "../../server/test/support/start-app.ts";
import { codeOf } from "./support/codes.ts";
import { openBrowser } from "./support/test-browser.ts";

let server: TestApp;
beforeAll(async () => {
  server = await startApp();
});
afterAll(() => server[Symbol.asyncDispose]());

/** Another back end of the application. */
async function startBackEnd(answer: RequestListener): Promise<string> {
  const backEnd = createServer(answer);
  await new Promise<void>((resolve) => backEnd.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    backEnd.close();
    backEnd.closeAllConnections();
  });
  return `http://127.0.0.1:${(backEnd.address() as AddressInfo).port}`;
}

const json = (status: number, body: unknown, headers: Record<string, string> = {}): RequestListener => {
  return (_, response) => {
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
  };
};

describe("apiCall", () => {
  test.each(["none", "stateless", "stateful"] as const)(
    "sends JSON to the path of a URL and opens the answer, with %s envelopes",
    async (envelope) => {
      const who = newUser();
      const browser = openBrowser(server);
      const page = browser.openTab({ envelope: "none" });
      await page.register(who);
      const payload = { identifier: who.username, password: PASSWORD };
      const answer = await page.apiCall(`${server.url}/auth/login?from=test`, payload, { envelope });
      expect(answer).toMatchObject({ token_type: "Bearer", user: { username: who.username } });
      const sent = browser.sent.at(-1);
      expect(sent?.authorization).toMatch(/^Bearer /);
      expect(sent?.body.includes(PASSWORD)).toBe(envelope === "none");
    },
  );

  test("has the envelope of the client unless told otherwise", async () => {
    const browser = openBrowser(server);
    await codeOf(browser.openTab({ envelope: "stateless" }).apiCall(`${server.url}/auth/login`, { identifier: "x" }));
    expect(browser.sent.at(-1)?.body).toMatch(/^\{"__front_enc__":/);
  });

  test("never sends in clear what was to be sealed: a GET needs envelope none", async () => {
    const browser = openBrowser(server);
    const page = browser.openTab({ envelope: "stateless" });
    expect(await codeOf(page.apiCall(`${server.url}/auth/me`, undefined, { method: "GET" }))).toBe("invalid_request");
    expect(await codeOf(page.apiCall(`${server.url}/auth/me`, {}, { method: "GET", envelope: "none" }))).toBe(
      "invalid_request",
    );
    expect(browser.sent).toStrictEqual([]);
  });

  test("gives the errors of other back ends their code, status and wait", async () => {
    const url = await startBackEnd(
      json(409, { error: { code: "sold_out", message: "Gone." } }, { "retry-after": "9" }),
    );
    const page = openBrowser(server).openTab({ envelope: "none", apiOrigins: [url] });
    await expect(page.apiCall(url)).rejects.toMatchObject({
      code: "sold_out",
      message: "Gone.",
      status: 409,
      retryAfterS: 9,
    });
  });

  test.each([
    [401, "token_invalid"],
    [403, "forbidden"],
    [404, "not_found"],
    [422, "invalid_request"],
    [429, "rate_limited"],
    [500, "internal"],
    [502, "unavailable"],
  ])("calls a bare %i %s", async (status, code) => {
    const url = await startBackEnd((_, response) => response.writeHead(status).end("<h1>no</h1>"));
    expect(
      await codeOf(
        openBrowser(server)
          .openTab({ envelope: "none", apiOrigins: [url] })
          .apiCall(url),
      ),
    ).toBe(code);
  });

  test("resolves with undefined where there is no answer to read", async () => {
    const url = await startBackEnd((_, response) => response.writeHead(204).end());
    expect(
      await openBrowser(server)
        .openTab({ envelope: "none", apiOrigins: [url] })
        .apiCall(url, { a: 1 }),
    ).toBeUndefined();
  });

  test("follows no redirect: what is sealed or signed for one address goes to no other", async () => {
    const url = await startBackEnd((_, response) => response.writeHead(307, { location: server.url }).end());
    const browser = openBrowser(server);
    expect(await codeOf(browser.openTab({ envelope: "none", apiOrigins: [url] }).apiCall(url, {}))).toBe("offline");
    expect(browser.sent).toHaveLength(1);
  });

  test("keeps the refresh cookie from other back ends", async () => {
    let cookie: string | undefined = "";
    const url = await startBackEnd((request, response) => {
      cookie = request.headers.cookie;
      response.writeHead(204).end();
    });
    const page = openBrowser(server).openTab({ envelope: "none", apiOrigins: [url] });
    await page.register(newUser());
    await page.apiCall(url);
    expect(cookie).toBeUndefined();
  });
});

describe("an address that gets no token", () => {
  const received: string[] = [];
  const startStranger = () =>
    startBackEnd((request, response) => {
      received.push(String(request.headers.authorization));
      response.writeHead(204).end();
    });

  test.each(["none", "stateless", "stateful"] as const)(
    "is every one but the server's and those that are named: nothing is sent there, with %s envelopes",
    async (envelope) => {
      const [stranger, shop] = [await startStranger(), await startStranger()];
      const browser = openBrowser(server);
      const page = browser.openTab({ envelope, apiOrigins: [shop] });
      await page.register(newUser());
      const before = browser.sent.length;
      const { host, port } = new URL(shop);
      for (const url of [
        stranger,
        new URL(stranger),
        `${stranger}/?${shop}`,
        `http://${host}@127.0.0.1:${new URL(stranger).port}`,
        `http://localhost:${port}`,
        `https://${host}`,
        `http://${host}.evil.example`,
        `ftp://${host}`,
        `blob:${shop}/x`,
        "data:,x",
      ]) {
        await expect(page.apiCall(url, {})).rejects.toMatchObject({ code: "invalid_request" });
        expect(() => page.transportTo(String(url))).toThrow(expect.objectContaining({ code: "invalid_request" }));
      }
      await expect(page.apiCall(stranger, {})).rejects.toThrow(`${stranger} are not allowed. Name it in apiOrigins`);
      expect(browser.sent).toHaveLength(before);
      expect(received).toStrictEqual([]);
    },
  );

  test("is not one that is named, whatever the path, nor the page's own", async () => {
    const [shop, own] = [await startStranger(), await startStranger()];
    vi.stubGlobal("location", new URL(`${own}/page`));
    onTestFinished(() => void vi.unstubAllGlobals());
    const page = openBrowser(server).openTab({ envelope: "none", apiOrigins: [shop] });
    await page.register(newUser());
    for (const url of [shop, `${shop}/orders?a=1`, own, "/orders", "orders"]) await page.apiCall(url, {});
    expect(received).toHaveLength(5);
    for (const header of received) expect(header).toMatch(/^Bearer /);
  });
});

describe("a call that is given up", () => {
  test("before it begins sends nothing", async () => {
    const browser = openBrowser(server);
    const page = browser.openTab();
    expect(await codeOf(page.me({ signal: AbortSignal.abort() }))).toBe("cancelled");
    expect(await codeOf(page.login({ identifier: "a", password: "b" }, { signal: AbortSignal.abort() }))).toBe(
      "cancelled",
    );
    expect(browser.sent).toStrictEqual([]);
  });

  test("by its caller is cancelled, on the wire too", async () => {
    let closing = () => {};
    const closed = new Promise<void>((resolve) => {
      closing = resolve;
    });
    const controller = new AbortController();
    const url = await startBackEnd((request) => {
      request.on("close", closing);
      controller.abort();
    });
    const call = openBrowser(server)
      .openTab({ envelope: "none", apiOrigins: [url] })
      .apiCall(url, {}, { signal: controller.signal });
    expect(await codeOf(call)).toBe("cancelled");
    await closed;
  });

  test("by its deadline is a timeout", async () => {
    const url = await startBackEnd(() => {});
    const page = openBrowser(server).openTab({ envelope: "none", apiOrigins: [url] });
    expect(await codeOf(page.apiCall(url, {}, { timeoutMs: 20 }))).toBe("timeout");
    const browser = openBrowser(server);
    const slow = browser.openTab({ timeoutMs: 20 });
    browser.hold("jwks.json");
    expect(await codeOf(slow.register(newUser()))).toBe("timeout");
  });
});

describe("a call that nobody answered", () => {
  test("is offline, and is not sent again: it may have been done", async () => {
    const browser = openBrowser(server);
    const page = browser.openTab({ envelope: "none" });
    await page.register(newUser());
    browser.intercept("ChangePassword", async (go) => {
      await go();
      throw new TypeError("Failed to fetch");
    });
    const passwords = { currentPassword: PASSWORD, newPassword: `${PASSWORD} and another` };
    expect(await codeOf(page.changePassword(passwords))).toBe("offline");
    expect([browser.count("ChangePassword"), page.isLoggedIn]).toStrictEqual([1, true]);
  });

  test("is offline when half of the answer came", async () => {
    const url = await startBackEnd((_, response) => {
      response.writeHead(200, { "content-type": "application/json", "content-length": 100 });
      response.write("{", () => response.destroy());
    });
    expect(
      await codeOf(
        openBrowser(server)
          .openTab({ envelope: "none", apiOrigins: [url] })
          .apiCall(url),
      ),
    ).toBe("offline");
  });
});

describe("the transport", () => {
  test.each(["none", "stateless", "stateful"] as const)(
    "serves generated clients, with token, envelope and typed errors, with %s envelopes",
    async (envelope) => {
      const browser = openBrowser(server);
      const page = browser.openTab({ envelope });
      const client = createClient(AuthService, page.transport);
      expect(await codeOf(client.getMe({}))).toBe("token_missing");
      await page.register(newUser());
      expect((await client.getMe({})).user?.id).toBe(page.user?.id);
      expect(await codeOf(client.revokeSession({ sessionId: crypto.randomUUID() }))).toBe("not_found");
    },
  );

  test("opens streams, with the token", async () => {
    const browser = openBrowser(server);
    const tokens: (string | null)[] = [];
    const page = browser.openTab({
      fetch: (input, init) => {
        const request = new Request(input, init);
        tokens.push(request.headers.get("authorization"));
        return fetch(request);
      },
    });
    await page.register(newUser());
    const controller = new AbortController();
    const health = createClient(Health, page.transport);
    for await (const { status } of health.watch({}, { signal: controller.signal })) {
      expect(status).toBe(HealthCheckResponse_ServingStatus.SERVING);
      break;
    }
    controller.abort();
    expect(tokens.at(-1)).toMatch(/^Bearer /);
  });

  test("reaches services at another address", async () => {
    const page = openBrowser(server).openTab();
    await page.register(newUser());
    const client = createClient(AuthService, page.transportTo(`${server.url}/`, { envelope: "none" }));
    expect((await client.getMe({})).user?.id).toBe(page.user?.id);
  });
});
