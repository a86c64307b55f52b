import { randomUUID } from "node:crypto";
import type { WatchRevocationsResponse } from "@sello/gen/backend/v1/token_service_pb";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import type { EndedSessions, Word } from "../src/service/backend-ports.ts";
import { disableServiceAccount } from "../src/service/service-accounts.ts";
import { createRevocations } from "../src/service/watch-revocations.ts";
import { backend, newServiceAccount, reasonOf, TRANSPORTS } from "./support/backend.ts";
import { call, loginUser, PASSWORD, refresh, registerUser, type Tokens } from "./support/client.ts";
import { changePassword, rpc } from "./support/rpc.ts";
import { startApp, startAppForTest, type TestApp } from "./support/start-app.ts";
import { proxyOf } from "./support/tcp-proxy.ts";
import { openWire, sendRpc } from "./support/wire.ts";

let server: TestApp;
let replica: TestApp;
let secret: string;
beforeAll(async () => {
  const env = { REFRESH_RETRY_GRACE_S: "0" };
  server = await startApp({ env });
  replica = await startApp({ env, databaseUrl: server.databaseUrl, keysDir: server.keysDir });
  secret = await newServiceAccount(server);
});
afterAll(async () => {
  await replica[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const sessionOf = async ({ access_token }: Pick<Tokens, "access_token">) =>
  (await server.app.deps.accessTokens.verify(access_token)).sessionId;

type Watch = { told: Map<string, number>; lives: number; ended: Promise<unknown>; stop(): void };

/** Watches from the first response on, and remembers when each id came. */
async function watch(url: string, createTransport = TRANSPORTS[0]?.[1], as = secret): Promise<Watch> {
  const controller = new AbortController();
  const stream = backend(url, as, createTransport).tokens.watchRevocations({}, { signal: controller.signal });
  const iterator = stream[Symbol.asyncIterator]();
  expect((await iterator.next()).value).toMatchObject({ sessionIds: [] });
  const watching: Watch = {
    told: new Map(),
    lives: 0,
    stop: () => controller.abort(),
    ended: follow(iterator, (ids) => {
      if (ids.length === 0) watching.lives++;
      for (const id of ids) watching.told.set(id, performance.now());
    }),
  };
  onTestFinished(async () => {
    controller.abort();
    await watching.ended;
  });
  return watching;
}

async function follow(iterator: AsyncIterator<WatchRevocationsResponse>, onTold: (ids: string[]) => void) {
  try {
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) onTold(next.value.sessionIds);
    return undefined;
  } catch (error) {
    return error;
  }
}

/** Ends a session, and expects word of it within a second. */
async function expectTold(watching: Watch, sessionId: string, end: () => Promise<unknown>): Promise<void> {
  await end();
  const endedAt = performance.now();
  await vi.waitFor(() => expect([...watching.told.keys()]).toContain(sessionId), { timeout: 3_000, interval: 10 });
  expect((watching.told.get(sessionId) ?? Number.POSITIVE_INFINITY) - endedAt).toBeLessThan(1_000);
}

const logout = (refreshToken: string) => call(`${server.url}/auth/logout`, { body: { refresh_token: refreshToken } });

describe.each([
  ["the same server", () => server],
  ["another replica", () => replica],
])("who watches at %s hears within a second", (_where, watched) => {
  test("of a logout", async () => {
    const watching = await watch(watched().url);
    const user = await registerUser(server.url);
    await expectTold(watching, await sessionOf(user), () => logout(user.refresh_token));
  });

  test("of a session that its user revoked", async () => {
    const watching = await watch(watched().url);
    const user = await registerUser(server.url);
    const phone = await loginUser(server.url, user.credentials.email);
    const sessionId = await sessionOf(phone.body);
    await expectTold(watching, sessionId, () =>
      rpc(server.url, "RevokeSession", { token: user.access_token, body: { sessionId } }),
    );
    expect(watching.told.has(await sessionOf(user))).toBe(false);
  });

  test("of a refresh token that was used twice", async () => {
    const watching = await watch(watched().url);
    const user = await registerUser(server.url);
    await refresh(server.url, user.refresh_token);
    await expectTold(watching, await sessionOf(user), () => refresh(server.url, user.refresh_token));
  });

  test("of the other sessions when the password changes", async () => {
    const watching = await watch(watched().url);
    const user = await registerUser(server.url);
    const phone = await loginUser(server.url, user.credentials.email);
    const passwords = { currentPassword: PASSWORD, newPassword: "another long passphrase" };
    await expectTold(watching, await sessionOf(phone.body), () =>
      changePassword(server.url, user.access_token, passwords),
    );
    expect(watching.told.has(await sessionOf(user))).toBe(false);
  });

  test("of a user who is disabled, and of one who is deleted", async () => {
    const watching = await watch(watched().url);
    const [disabled, deleted] = [await registerUser(server.url), await registerUser(server.url)];
    await expectTold(watching, await sessionOf(disabled), () =>
      server.db.query("UPDATE users SET disabled_at = now() WHERE id = $1", [disabled.user.id]),
    );
    const sessionId = await sessionOf(deleted);
    await expectTold(watching, sessionId, () => server.db.query("DELETE FROM users WHERE id = $1", [deleted.user.id]));
  });

  test("of a transaction that commits after later ones were told", async () => {
    const watching = await watch(watched().url);
    const [late, early] = [await registerUser(server.url), await registerUser(server.url)];
    const client = await server.db.connect();
    onTestFinished(() => client.release());
    await client.query("BEGIN");
    await client.query("UPDATE sessions SET revoked_at = now() WHERE id = $1", [await sessionOf(late)]);
    await expectTold(watching, await sessionOf(early), () => logout(early.refresh_token));
    await expectTold(watching, await sessionOf(late), () => client.query("COMMIT"));
  });
});

describe("the stream", () => {
  test.each(TRANSPORTS)("works over %s", async (_name, createTransport) => {
    const watching = await watch(server.url, createTransport);
    const user = await registerUser(server.url);
    await expectTold(watching, await sessionOf(user), () => logout(user.refresh_token));
  });

  test("tells each session once, and none that ended before it began", async () => {
    const before = await registerUser(server.url);
    await logout(before.refresh_token);
    const fresh = await startAppForTest({ databaseUrl: server.databaseUrl, keysDir: server.keysDir });
    const seen: string[] = [];
    const controller = new AbortController();
    const stream = backend(fresh.url, secret).tokens.watchRevocations({}, { signal: controller.signal });
    const iterator = stream[Symbol.asyncIterator]();
    await iterator.next();
    const ended = follow(iterator, (ids) => seen.push(...ids));
    const users = [await registerUser(server.url), await registerUser(server.url), await registerUser(server.url)];
    const ids = await Promise.all(users.map((user) => sessionOf(user)));
    for (const [index, user] of users.entries()) {
      await logout(user.refresh_token);
      await vi.waitFor(() => expect(seen).toContain(ids[index]), { timeout: 3_000 });
    }
    expect(seen).toStrictEqual(ids);
    controller.abort();
    await ended;
  });

  test("shows that it lives when nothing ends", async () => {
    const watching = await watchQuiet();
    await vi.waitFor(() => expect(watching.lives).toBe(1), { timeout: 10_000, interval: 50 });
  });

  test.each(TRANSPORTS)(
    "ends over %s within seconds when its service account is disabled",
    async (_name, transport) => {
      const name = `disabled-${randomUUID()}`;
      const watching = await watch(replica.url, transport, await newServiceAccount(server, { name }));
      await disableServiceAccount(server.app.deps, name);
      const start = performance.now();
      expect(await reasonOf(Promise.reject(await watching.ended))).toBe("token_invalid");
      expect(performance.now() - start).toBeLessThan(8_000);
      const user = await registerUser(server.url);
      await logout(user.refresh_token);
      expect([...watching.told.keys()]).not.toContain(await sessionOf(user));
    },
  );

  test("ends within seconds when its account loses the scope, and tells nothing of what ends then", async () => {
    const own = await newServiceAccount(server, { name: "loses-its-scope" });
    const watching = await watch(server.url, undefined, own);
    await server.db.query("UPDATE service_accounts SET scopes = '{kms:use}' WHERE name = 'loses-its-scope'");
    expect(await reasonOf(Promise.reject(await watching.ended))).toBe("forbidden");
  });

  test("is one of a hundred that an account may have open at one process, and of as many as others like", async () => {
    const own = await newServiceAccount(server);
    const watchers = await Promise.all(Array.from({ length: 100 }, () => watch(server.url, undefined, own)));
    const one = async () => {
      const tokens = backend(server.url, own).tokens;
      const iterator = tokens.watchRevocations({})[Symbol.asyncIterator]();
      const reason = await reasonOf(iterator.next());
      await iterator.return?.();
      return reason;
    };
    expect(await one()).toBe("rate_limited");
    await watch(server.url);
    watchers[0]?.stop();
    await vi.waitFor(async () => expect(await one()).toBeUndefined(), { timeout: 5_000, interval: 50 });
  });

  test.each(TRANSPORTS)(
    "ends over %s when the server stops, with `unavailable`, and soon",
    async (_name, transport) => {
      const stopping = await startApp();
      const secretThere = await newServiceAccount(stopping);
      const watching = await watch(stopping.url, transport, secretThere);
      const start = performance.now();
      await stopping[Symbol.asyncDispose]();
      expect(performance.now() - start).toBeLessThan(5_000);
      expect(await reasonOf(Promise.reject(await watching.ended))).toBe("unavailable");
      expect(stopping.logs.filter(({ level }) => level === "warn" || level === "error")).toStrictEqual([]);
      expect(stopping.logs).toContainEqual(
        expect.objectContaining({ procedure: "backend.v1.TokenService/WatchRevocations", code: "unavailable" }),
      );
    },
  );

  test("ends with `unavailable` when the database does not answer, in a second or two, and can begin again", async () => {
    const { proxy, url } = await proxyOf(server.databaseUrl, 5432);
    onTestFinished(() => proxy[Symbol.asyncDispose]());
    const { databaseUrl, keysDir } = server;
    const wired = await startAppForTest({ databaseUrl, keysDir, env: { DATABASE_URL: url } });
    const watching = await watch(wired.url);
    proxy.swallow();
    const start = performance.now();
    expect(await reasonOf(Promise.reject(await watching.ended))).toBe("unavailable");
    expect(performance.now() - start).toBeLessThan(2_500);
    expect(wired.logs).toContainEqual(expect.objectContaining({ msg: "a store did not answer" }));
    proxy.restore();
    await vi.waitFor(() => watch(wired.url), { timeout: 10_000, interval: 100 });
  });

  test("ends with `internal` when something fails that nobody thought of, and leaves the cause in the log alone", async () => {
    const quiet = await startAppForTest();
    const watching = await watch(quiet.url, undefined, await newServiceAccount(quiet));
    await quiet.db.query("ALTER TABLE ended_sessions RENAME TO gone");
    const failure = await watching.ended;
    expect(await reasonOf(Promise.reject(failure))).toBe("internal");
    expect(String(failure)).not.toContain("ended_sessions");
    expect(quiet.logs).toContainEqual(
      expect.objectContaining({
        msg: "a call failed",
        procedure: "backend.v1.TokenService/WatchRevocations",
        error: expect.objectContaining({ message: expect.stringContaining("ended_sessions") }),
      }),
    );
  });

  test("is recorded once, when its reader leaves", async () => {
    const quiet = await startAppForTest();
    const watching = await watch(quiet.url, undefined, await newServiceAccount(quiet, { name: "leaves" }));
    watching.stop();
    await vi.waitFor(() =>
      expect(quiet.logs.filter(({ service }) => service === "leaves")).toMatchObject([
        { msg: "call", procedure: "backend.v1.TokenService/WatchRevocations", code: "cancelled" },
      ]),
    );
  });

  test("refuses a request that is none before it begins, in the contract's words", async () => {
    const wire = openWire(server.url);
    onTestFinished(() => wire[Symbol.asyncDispose]());
    const path = "/backend.v1.TokenService/WatchRevocations";
    const headers = { authorization: `Bearer ${secret}` };
    for (const protocol of ["grpc", "grpc-web"] as const) {
      const answer = await sendRpc(wire, protocol, { path, payload: Buffer.from([0xff, 0xff]), headers });
      expect({ protocol, reason: answer.reason }).toStrictEqual({ protocol, reason: "invalid_request" });
    }
  });
});

async function watchQuiet(): Promise<Watch> {
  const quiet = await startAppForTest();
  return watch(quiet.url, undefined, await newServiceAccount(quiet));
}

describe("the feed", () => {
  /** A database whose sessions end when the test says so. */
  function createFeed() {
    const feed = { asked: 0, ids: [] as string[], failure: undefined as Error | undefined };
    const ended: EndedSessions = {
      async since() {
        feed.asked++;
        if (feed.failure !== undefined) throw feed.failure;
        return { words: feed.ids.map((id) => ({ key: id, sessionId: id })), moment: String(feed.asked) };
      },
    };
    return { feed, revocations: createRevocations(ended) };
  }
  const begin = async (revocations: ReturnType<typeof createRevocations>) => {
    const controller = new AbortController();
    const iterator = revocations.watch(controller.signal)[Symbol.asyncIterator]();
    expect(await iterator.next()).toStrictEqual({ done: false, value: [] });
    onTestFinished(() => controller.abort());
    return { iterator, controller };
  };

  test("asks the database once for all who watch, and not at all for nobody", async () => {
    const { feed, revocations } = createFeed();
    const watchers = await Promise.all(Array.from({ length: 50 }, () => begin(revocations)));
    expect(feed.asked).toBe(1);
    feed.ids = ["a"];
    const told = await Promise.all(watchers.map(({ iterator }) => iterator.next()));
    expect(new Set(told.map(({ value }) => String(value.map(({ key }: Word) => key))))).toStrictEqual(new Set(["a"]));
    expect(feed.asked).toBe(2);
    for (const { controller } of watchers) controller.abort();
    // Another feed tells the time: it asked again and again, and this one did not.
    const other = createFeed();
    await begin(other.revocations);
    await vi.waitFor(() => expect(other.feed.asked).toBeGreaterThan(3), { timeout: 5_000 });
    expect(feed.asked).toBe(2);
    await begin(revocations);
    expect(feed.asked).toBe(3);
  });

  test("lets go of a reader that is too slow, and of no other", async () => {
    const { feed, revocations } = createFeed();
    const [slow, quick] = [await begin(revocations), await begin(revocations)];
    feed.ids = Array.from({ length: 6_000 }, (_, index) => `a${index}`);
    expect((await quick.iterator.next()).value).toHaveLength(6_000);
    feed.ids = Array.from({ length: 6_000 }, (_, index) => `b${index}`);
    expect((await quick.iterator.next()).value).toHaveLength(6_000);
    await expect(slow.iterator.next()).rejects.toMatchObject({ reason: "unavailable" });
    feed.ids = ["c"];
    expect((await quick.iterator.next()).value).toMatchObject([{ sessionId: "c" }]);
  });

  test("fails for all who watch when the database does, and begins again for the next", async () => {
    const { feed, revocations } = createFeed();
    const { iterator } = await begin(revocations);
    feed.failure = new Error("down");
    await expect(iterator.next()).rejects.toThrow("down");
    await expect(begin(revocations)).rejects.toThrow("down");
    feed.failure = undefined;
    await begin(revocations);
  });
});
