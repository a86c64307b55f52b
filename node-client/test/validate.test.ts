import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { newServiceAccount } from "../../server/test/support/backend.ts";
import { call, registerUser } from "../../server/test/support/client.ts";
import { startApp, startAppForTest, type TestApp } from "../../server/test/support/start-app.ts";
import { createAuth } from "../src/index.ts";
import { codeOf, connect } from "./support/client.ts";
import { countCalls } from "./support/count-calls.ts";

let server: TestApp;
let replica: TestApp;
beforeAll(async () => {
  server = await startApp();
  replica = await startApp({ databaseUrl: server.databaseUrl, keysDir: server.keysDir });
});
afterAll(async () => {
  await replica[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const VALIDATE = "TokenService/ValidateToken";
const logout = (refreshToken: string, at = server) =>
  call(`${at.url}/auth/logout`, { body: { refresh_token: refreshToken } });
const untilWatching = ({ auth }: Awaited<ReturnType<typeof connect>>) =>
  vi.waitFor(() => expect(auth.isWatching).toBe(true), { timeout: 5_000, interval: 10 });

describe("validate", () => {
  test("says whose token it is", async () => {
    const { auth } = await connect(server);
    const user = await registerUser(server.url);
    const validated = await auth.validate(user.access_token);
    expect(validated.user).toStrictEqual({
      id: user.user.id,
      username: user.credentials.username,
      roles: user.user["roles"],
      permissions: user.user["permissions"],
    });
    expect(validated.sessionId).toMatch(/^[0-9a-f-]{36}$/);
    const lifeS = (validated.expiresAt.getTime() - server.clock.now().getTime()) / 1000;
    expect(lifeS).toBeGreaterThan(890);
    expect(lifeS).toBeLessThanOrEqual(900);
  });

  test("hands out what no handler can change for the others", async () => {
    const { auth } = await connect(server);
    const { user } = await auth.validate((await registerUser(server.url)).access_token);
    expect(() => (user.roles as string[]).push("admin")).toThrow(TypeError);
    expect(() => Object.assign(user, { id: "someone" })).toThrow(TypeError);
  });

  test.each(["", "x", "a.b.c", "a.b", "a.b.c.d.e", "x".repeat(20_000), " ", "a.b.c\n"])("refuses %j", async (token) => {
    const { auth } = await connect(server);
    expect(await codeOf(auth.validate(token))).toBe("token_invalid");
  });

  test("refuses a token that is over, and says so", async () => {
    const own = await startAppForTest();
    const { auth } = await connect(own);
    const { access_token } = await registerUser(own.url);
    own.clock.advance(931);
    expect(await codeOf(auth.validate(access_token))).toBe("token_expired");
  });

  test("asks the server once for a token, however many ask for it, and again when its time is up", async () => {
    const own = await startAppForTest();
    let nowMs = Date.now();
    const client = await connect(own, { nowMs: () => nowMs });
    await untilWatching(client);
    const { access_token } = await registerUser(own.url);
    await Promise.all(Array.from({ length: 20 }, () => client.auth.validate(access_token)));
    await client.auth.validate(access_token);
    expect(countCalls(own, VALIDATE)).toBe(1);
    nowMs += 29_000;
    await client.auth.validate(access_token);
    expect(countCalls(own, VALIDATE)).toBe(1);
    nowMs += 1_001;
    await client.auth.validate(access_token);
    expect(countCalls(own, VALIDATE)).toBe(2);
  });

  test("remembers no token beyond its own end", async () => {
    const own = await startAppForTest();
    let nowMs = Date.now();
    const client = await connect(own, { nowMs: () => nowMs, cache: { lifeMs: 3_600_000 } });
    await untilWatching(client);
    const { access_token } = await registerUser(own.url);
    await client.auth.validate(access_token);
    nowMs += 901_000;
    own.clock.advance(931);
    expect(await codeOf(client.auth.validate(access_token))).toBe("token_expired");
  });

  test("remembers only as many tokens as it was told to", async () => {
    const own = await startAppForTest();
    const client = await connect(own, { cache: { tokens: 2 } });
    await untilWatching(client);
    const users = [await registerUser(own.url), await registerUser(own.url), await registerUser(own.url)];
    for (const { access_token } of users) await client.auth.validate(access_token);
    expect(countCalls(own, VALIDATE)).toBe(3);
    await client.auth.validate(users[2]?.access_token ?? "");
    expect(countCalls(own, VALIDATE)).toBe(3);
    await client.auth.validate(users[0]?.access_token ?? "");
    expect(countCalls(own, VALIDATE)).toBe(4);
  });

  test("never remembers a refusal", async () => {
    const own = await startAppForTest();
    const { auth } = await connect(own);
    expect(await codeOf(auth.validate("a.b.c"))).toBe("token_invalid");
    expect(await codeOf(auth.validate("a.b.c"))).toBe("token_invalid");
    expect(countCalls(own, VALIDATE)).toBe(2);
  });
});

describe.each([
  ["the same server", () => server],
  ["another replica", () => replica],
])("a remembered token, asked of %s, is refused within a second", (_where, watched) => {
  test("of its logout, and its neighbour is not asked for again", async () => {
    const client = await connect(watched());
    await untilWatching(client);
    const [gone, stays] = [await registerUser(server.url), await registerUser(server.url)];
    await client.auth.validate(gone.access_token);
    await client.auth.validate(stays.access_token);
    await logout(gone.refresh_token);
    const start = performance.now();
    await vi.waitFor(async () => expect(await codeOf(client.auth.validate(gone.access_token))).toBe("token_revoked"), {
      timeout: 3_000,
      interval: 10,
    });
    expect(performance.now() - start).toBeLessThan(1_000);
    const before = countCalls(watched(), VALIDATE);
    await client.auth.validate(stays.access_token);
    expect(countCalls(watched(), VALIDATE)).toBe(before);
  });
});

describe("a service account", () => {
  test("that the server does not know is this back end's problem, and no user's", async () => {
    const { auth, problems } = await connect(server, { serviceAccount: `sa_${"A".repeat(43)}` });
    const { access_token } = await registerUser(server.url);
    expect(await codeOf(auth.validate(access_token))).toBe("service_account_refused");
    expect(await codeOf(auth.createUserKey("018f0000-0000-7000-8000-000000000001", "x"))).toBe(
      "service_account_refused",
    );
    await vi.waitFor(() => expect(problems.map(({ code }) => code)).toContain("service_account_refused"));
  });

  test("without the scope is the same", async () => {
    const serviceAccount = await newServiceAccount(server, { scopes: ["kms:use"] });
    const { auth } = await connect(server, { serviceAccount });
    const { access_token } = await registerUser(server.url);
    expect(await codeOf(auth.validate(access_token))).toBe("service_account_refused");
    expect(await codeOf(auth.createUserKey("018f0000-0000-7000-8000-000000000001", "x"))).toBe("none");
  });

  test.each(["", "secret", "sa_", "sa_a\nb"])("cannot be %j", (serviceAccount) => {
    expect(() => createAuth({ address: server.url, serviceAccount })).toThrow("serviceAccount");
  });

  test.each(["", "ftp://localhost", "http://localhost/path", "http://"])("has no server at %j", (address) => {
    expect(() => createAuth({ address, serviceAccount: "sa_x" })).toThrow("address");
  });
});
