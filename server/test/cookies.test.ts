import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRefreshCookie } from "../src/rpc/refresh-cookie.ts";
import { call, me, newUser, PASSWORD, refresh, registerUser, type Tokens } from "./support/client.ts";
import { rpc } from "./support/rpc.ts";
import { startApp, type TestApp } from "./support/start-app.ts";
import { openWire } from "./support/wire.ts";

const ORIGIN = "https://app.example.com";

let server: TestApp;
beforeAll(async () => {
  server = await startApp();
});
afterAll(() => server[Symbol.asyncDispose]());

const cookieOf = (headers: Headers) => /^(?:__Host-)?refresh=([^;]*)/.exec(headers.getSetCookie()[0] ?? "")?.[1] ?? "";

/** Registers in cookie mode. The token is what the browser would keep. */
async function registerWithCookie(): Promise<{ token: string; accessToken: string; email: string }> {
  const user = newUser();
  const { headers, body } = await call<Tokens>(`${server.url}/auth/register`, { body: { ...user, use_cookie: true } });
  return { token: cookieOf(headers), accessToken: body.access_token, email: user.email };
}

const refreshWith = (headers: Record<string, string>, body: object | string = {}) =>
  call<Tokens & { error?: { code: string } }>(`${server.url}/auth/token/refresh`, { body, headers });

describe("cookie mode", () => {
  test("is not what anybody gets who did not ask", async () => {
    const { headers, body } = await call<Tokens>(`${server.url}/auth/register`, { body: newUser() });
    expect(headers.getSetCookie()).toStrictEqual([]);
    expect(body.refresh_token).toMatch(/^rt_/);
  });

  test.each([
    ["register", async () => call(`${server.url}/auth/register`, { body: { ...newUser(), use_cookie: true } })],
    [
      "login",
      async () => {
        const { credentials } = await registerUser(server.url);
        const body = { identifier: credentials.email, password: PASSWORD, use_cookie: true };
        return call(`${server.url}/auth/login`, { body });
      },
    ],
    [
      "refresh",
      async () => {
        const { refresh_token } = await registerUser(server.url);
        return call(`${server.url}/auth/token/refresh`, { body: { refresh_token, use_cookie: true } });
      },
    ],
  ])("puts the token of a %s into a cookie that no script reads, and nowhere else", async (_name, ask) => {
    const { headers, body } = await ask();
    const [cookie, ...others] = headers.getSetCookie();
    expect(others).toStrictEqual([]);
    expect(cookie).toMatch(/^refresh=rt_[A-Za-z0-9_-]{43}; Max-Age=604800; HttpOnly; SameSite=Strict; Path=\/$/);
    expect(body).not.toHaveProperty("refresh_token");
    expect(JSON.stringify(body)).not.toContain(cookieOf(headers));
    expect((await refresh(server.url, cookieOf(headers))).status).toBe(200);
  });

  test("has the same cookie over Connect", async () => {
    const { headers, body } = await rpc(server.url, "Register", { body: { ...newUser(), useCookie: true } });
    expect(cookieOf(headers)).toMatch(/^rt_/);
    expect(body).not.toHaveProperty("refreshToken");
  });
});

describe("the refresh cookie", () => {
  test("is honoured from an allowed origin, and goes back as a cookie without being asked for", async () => {
    const { token } = await registerWithCookie();
    const answer = await refreshWith({ origin: ORIGIN, cookie: `a=b; refresh=${token}; c=d` });
    expect(answer.status).toBe(200);
    expect(answer.body).not.toHaveProperty("refresh_token");
    const next = cookieOf(answer.headers);
    expect(JSON.stringify(answer.body)).not.toContain(next);
    expect(next).toMatch(/^rt_/);
    expect(next).not.toBe(token);
  });

  test("is honoured over Connect too", async () => {
    const { token } = await registerWithCookie();
    const answer = await rpc(server.url, "RefreshToken", { headers: { origin: ORIGIN, cookie: `refresh=${token}` } });
    expect(answer.status).toBe(200);
    expect(answer.body).not.toHaveProperty("refreshToken");
    expect(cookieOf(answer.headers)).toMatch(/^rt_/);
  });

  test.each([
    ["no origin", {}],
    ["another origin", { origin: "https://evil.example" }],
    ["the origin null", { origin: "null" }],
    ["http instead of https", { origin: "http://app.example.com" }],
    ["a suffix", { origin: "https://app.example.com.evil.example" }],
    ["a prefix", { origin: "https://evil-app.example.com" }],
    ["a port", { origin: "https://app.example.com:8443" }],
    ["capitals", { origin: "https://APP.example.com" }],
    ["a slash at its end", { origin: "https://app.example.com/" }],
  ])("is not looked at with %s", async (_name, headers) => {
    const { token } = await registerWithCookie();
    const refused = await refreshWith({ cookie: `refresh=${token}`, ...headers });
    expect([refused.status, refused.body.error?.code]).toStrictEqual([401, "refresh_invalid"]);
    expect((await refresh(server.url, token)).status).toBe(200);
  });

  test.each(["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])(
    "is not looked at in a body of %s, which any site can send",
    async (type) => {
      const { token } = await registerWithCookie();
      const refused = await refreshWith({ origin: ORIGIN, cookie: `refresh=${token}`, "content-type": type }, "{}");
      expect([refused.status, refused.body.error?.code]).toStrictEqual([400, "invalid_request"]);
      expect((await refresh(server.url, token)).status).toBe(200);
    },
  );

  test("gives way to a token in the body", async () => {
    const { token } = await registerWithCookie();
    const other = await registerUser(server.url);
    const headers = { origin: ORIGIN, cookie: `refresh=${token}` };
    const answer = await refreshWith(headers, { refresh_token: other.refresh_token });
    expect(answer.body.refresh_token).toMatch(/^rt_/);
    expect((await refresh(server.url, token)).status).toBe(200);
  });

  test("ends with the session at logout, and the browser is told to forget it", async () => {
    const { token, accessToken } = await registerWithCookie();
    const headers = { origin: ORIGIN, cookie: `refresh=${token}` };
    const answer = await call(`${server.url}/auth/logout`, { body: {}, headers });
    expect(answer.status).toBe(200);
    expect(answer.headers.getSetCookie()).toStrictEqual(["refresh=; Max-Age=0; HttpOnly; SameSite=Strict; Path=/"]);
    expect((await me(server.url, accessToken)).status).toBe(401);
    expect((await refresh(server.url, token)).status).toBe(401);
  });

  test("ends with its session at logout, though the body holds the token of another, which ends too", async () => {
    const { token, accessToken } = await registerWithCookie();
    const other = await registerUser(server.url);
    const headers = { origin: ORIGIN, cookie: `refresh=${token}` };
    await call(`${server.url}/auth/logout`, { body: { refresh_token: other.refresh_token }, headers });
    for (const access of [accessToken, other.access_token]) expect((await me(server.url, access)).status).toBe(401);
    for (const kept of [token, other.refresh_token]) expect((await refresh(server.url, kept)).status).toBe(401);
  });

  test("does not log anybody out from another site", async () => {
    const { token, accessToken } = await registerWithCookie();
    const headers = { origin: "https://evil.example", cookie: `refresh=${token}` };
    await call(`${server.url}/auth/logout`, { body: {}, headers });
    expect((await me(server.url, accessToken)).status).toBe(200);
  });
});

describe("a caller by another name than localhost", () => {
  const send = async (host: string) => {
    const wire = openWire(server.url);
    const headers = { "content-type": "application/json", host };
    const body = JSON.stringify({ ...newUser(), use_cookie: true });
    const raw = await wire.http1({ path: "/auth/register", headers, body });
    await wire[Symbol.asyncDispose]();
    return raw.headers.getSetCookie();
  };

  test.each(["192.168.0.7:8080", "dev.example.com", "localhost.example.com", "127.0.0.1.example.com"])(
    "gets a cookie that goes over TLS alone, in development too: %s",
    async (host) => {
      expect(await send(host)).toStrictEqual([expect.stringMatching(/^__Host-refresh=rt_[^;]+;.* Secure;/)]);
    },
  );

  test.each(["localhost", "localhost:8080", "LOCALHOST:1", "127.0.0.1:8080", "[::1]:8080"])(
    "is none who says %s: its browser keeps the cookie",
    async (host) => {
      expect(await send(host)).toStrictEqual([
        expect.stringMatching(/^refresh=rt_[^;]+; Max-Age=604800; HttpOnly; Same/),
      ]);
    },
  );
});

describe("createRefreshCookie", () => {
  const edge = (cookieAllowed: boolean, authority = "localhost") => ({
    client: { ip: "127.0.0.1", userAgent: "", requestId: "" },
    binding: "",
    protocol: "connect",
    authority,
    cookieAllowed,
    reached: true,
    bearer: undefined,
  });

  test("with TLS writes and clears a __Host- cookie", () => {
    const header = new Headers();
    const cookie = createRefreshCookie({ plainOnLocalhost: false });
    cookie.write(edge(true), header, "rt_x", 60);
    cookie.clear(edge(true), header);
    expect(header.getSetCookie()).toStrictEqual([
      "__Host-refresh=rt_x; Max-Age=60; HttpOnly; Secure; SameSite=Strict; Path=/",
      "__Host-refresh=; Max-Age=0; HttpOnly; Secure; SameSite=Strict; Path=/",
    ]);
  });

  test("with TLS reads no other cookie: a neighbour can set one without the prefix", () => {
    const cookie = createRefreshCookie({ plainOnLocalhost: false });
    const header = new Headers({ cookie: "refresh=rt_evil; x__Host-refresh=rt_evil; __Host-refresh=rt_x" });
    expect(cookie.read(edge(true), header)).toBe("rt_x");
    expect(cookie.read(edge(true), new Headers({ cookie: "refresh=rt_evil" }))).toBeUndefined();
  });

  test("reads the plain cookie of a caller on localhost alone", () => {
    const cookie = createRefreshCookie({ plainOnLocalhost: true });
    const header = new Headers({ cookie: "refresh=rt_x" });
    expect(cookie.read(edge(true), header)).toBe("rt_x");
    expect(cookie.read(edge(true, "dev.example.com"), header)).toBeUndefined();
  });

  test("reads nothing where no cookie is allowed", () => {
    const header = new Headers({ cookie: "refresh=rt_x" });
    expect(createRefreshCookie({ plainOnLocalhost: true }).read(edge(false), header)).toBeUndefined();
  });
});
