import { describe, expect, onTestFinished, test, vi } from "vitest";
import { newServiceAccount } from "../../server/test/support/backend.ts";
import { registerUser } from "../../server/test/support/client.ts";
import { startApp, startAppForTest } from "../../server/test/support/start-app.ts";
import { startTcpProxy, type TcpProxy } from "../../server/test/support/tcp-proxy.ts";
import { type Authority, type News, NO_NEWS } from "../src/authority.ts";
import { AuthError, createAuth } from "../src/index.ts";
import { createCalls } from "../src/retry.ts";
import { createRevocationWatch, type RevocationWatch } from "../src/revocation-watch.ts";
import { type Client, codeOf, connect } from "./support/client.ts";
import { countCalls } from "./support/count-calls.ts";

const isWatching = ({ auth }: Client, value = true) =>
  vi.waitFor(() => expect(auth.isWatching).toBe(value), { timeout: 15_000, interval: 20 });

async function proxyTo(url: string): Promise<{ proxy: TcpProxy; address: string }> {
  const { hostname: host, port } = new URL(url);
  const proxy = await startTcpProxy({ host, port: Number(port) });
  onTestFinished(() => proxy[Symbol.asyncDispose]());
  return { proxy, address: `127.0.0.1:${proxy.port}` };
}

describe("a connection that is cut", () => {
  test("takes what was remembered along, is `unavailable`, and comes back by itself", async () => {
    const server = await startAppForTest();
    const { proxy, address } = await proxyTo(server.url);
    const client = await connect(server, { address });
    await isWatching(client);
    const { access_token } = await registerUser(server.url);
    await client.auth.validate(access_token);
    proxy.cut();
    await isWatching(client, false);
    expect(await codeOf(client.auth.validate(access_token))).toBe("unavailable");
    expect(client.problems.map(({ code }) => code)).toContain("unavailable");
    proxy.restore();
    await isWatching(client);
    expect(await codeOf(client.auth.validate(access_token))).toBe("none");
  });

  test("costs a call no more than its deadline when it only falls silent, and is given up within seconds", async () => {
    const server = await startAppForTest();
    const { proxy, address } = await proxyTo(server.url);
    const client = await connect(server, { address, timeoutMs: 500 });
    await isWatching(client);
    const { access_token } = await registerUser(server.url);
    proxy.swallow();
    const start = performance.now();
    expect(await codeOf(client.auth.validate(access_token))).toBe("unavailable");
    expect(performance.now() - start).toBeLessThan(1_500);
    proxy.restore();
    await vi.waitFor(async () => expect(await codeOf(client.auth.validate(access_token))).toBe("none"), {
      timeout: 15_000,
      interval: 50,
    });
    await isWatching(client);
  });
});

test("a server that starts again is found again", async () => {
  const first = await startApp();
  const { port } = new URL(first.url);
  const serviceAccount = await newServiceAccount(first);
  const user = await registerUser(first.url);
  const keeper = await startAppForTest({ databaseUrl: first.databaseUrl, keysDir: first.keysDir });
  const client = await connect(first, { serviceAccount });
  await isWatching(client);
  await client.auth.validate(user.access_token);
  await first.app[Symbol.asyncDispose]();
  await isWatching(client, false);
  expect(await codeOf(client.auth.validate(user.access_token))).toBe("unavailable");
  const { databaseUrl, keysDir } = keeper;
  const again = await startApp({ databaseUrl, keysDir, env: { PORT: port } });
  onTestFinished(async () => {
    await again[Symbol.asyncDispose]();
    await first.db.end();
  });
  await isWatching(client);
  expect(await codeOf(client.auth.validate(user.access_token))).toBe("none");
});

test("a closed client is unavailable, and stays so", async () => {
  const server = await startAppForTest();
  const { auth, problems } = await connect(server);
  const { access_token } = await registerUser(server.url);
  await auth.validate(access_token);
  await auth[Symbol.asyncDispose]();
  expect(await codeOf(auth.validate("a.b.c"))).toBe("unavailable");
  expect(await codeOf(auth.createUserKey("x", "y"))).toBe("unavailable");
  expect(auth.isWatching).toBe(false);
  expect(problems).toStrictEqual([]);
});

describe("calls", () => {
  const failing = (code: "unavailable" | "token_invalid") => {
    const state = { attempts: 0 };
    const attempt = async () => {
      state.attempts++;
      throw new AuthError(code);
    };
    return { state, attempt };
  };
  const calls = (timeoutMs: number) => createCalls(timeoutMs, new AbortController().signal);

  test("that change nothing are made again while the server is unavailable, and no more than four times", async () => {
    const { state, attempt } = failing("unavailable");
    expect(await codeOf(calls(10_000).safely(attempt))).toBe("unavailable");
    expect(state.attempts).toBe(4);
  });

  test("that were refused are not made again", async () => {
    const { state, attempt } = failing("token_invalid");
    expect(await codeOf(calls(10_000).safely(attempt))).toBe("token_invalid");
    expect(state.attempts).toBe(1);
  });

  test("that change something are made once", async () => {
    const { state, attempt } = failing("unavailable");
    expect(await codeOf(calls(10_000).once(attempt))).toBe("unavailable");
    expect(state.attempts).toBe(1);
  });

  test("share one deadline among all attempts", async () => {
    const given: number[] = [];
    const attempt = async ({ timeoutMs }: { timeoutMs: number }) => {
      given.push(timeoutMs);
      throw new AuthError("unavailable");
    };
    const start = performance.now();
    await codeOf(calls(60).safely(attempt));
    expect(performance.now() - start).toBeLessThan(500);
    expect(given[0]).toBeLessThanOrEqual(60);
    expect([...given].sort((a, b) => b - a)).toStrictEqual(given);
  });

  test("to the server go out once when they change something, though it is not there", async () => {
    const server = await startAppForTest();
    const { proxy, address } = await proxyTo(server.url);
    const { auth } = await connect(server, { address });
    await auth.createUserKey("018f0000-0000-7000-8000-000000000001", "x");
    proxy.cut();
    expect(await codeOf(auth.createUserKey("018f0000-0000-7000-8000-000000000001", "x"))).toBe("unavailable");
    proxy.restore();
    await vi.waitFor(async () => expect(await codeOf(auth.validate("a.b.c"))).toBe("token_invalid"), {
      timeout: 5_000,
    });
    expect(countCalls(server, "KmsService/CreateUserKey")).toBe(1);
  });
});

describe("the watch", () => {
  /** A server whose stream says what the test tells it to, one answer for each call of `tell`. */
  function createSource() {
    let tell: (news: News) => void = () => undefined;
    let begun = 0;
    const authority: Pick<Authority, "watchRevocations"> = {
      async *watchRevocations(signal) {
        begun++;
        yield NO_NEWS;
        for (;;) {
          const next = await new Promise<News>((resolve, reject) => {
            tell = resolve;
            signal.addEventListener("abort", () => reject(signal.reason));
          });
          yield next;
        }
      },
    };
    const change = (changedUserIds: string[] | "all") =>
      tell(changedUserIds === "all" ? { ...NO_NEWS, allUsersChanged: true } : { ...NO_NEWS, changedUserIds });
    return { authority, change, tell: (sessionIds: string[]) => tell({ ...NO_NEWS, sessionIds }), begun: () => begun };
  }
  const watching = (options: Parameters<typeof createRevocationWatch>[0]): RevocationWatch => {
    const watch = createRevocationWatch(options);
    onTestFinished(() => watch.close());
    return watch;
  };

  test("is lost when nothing comes for too long, and begins again", async () => {
    const { authority, begun } = createSource();
    const lost: AuthError[] = [];
    const onLost = (error: AuthError) => lost.push(error);
    watching({
      authority,
      nowMs: Date.now,
      onEnded: () => undefined,
      onChanged: () => undefined,
      onLost,
      silenceMs: 50,
    });
    await vi.waitFor(() => expect(begun()).toBeGreaterThan(1), { timeout: 5_000, interval: 10 });
    expect(lost[0]?.code).toBe("unavailable");
  });

  test("covers only tokens that were issued after it began, and after it had to forget", async () => {
    const { authority, tell } = createSource();
    let nowMs = 1_000_000;
    const options = {
      authority,
      nowMs: () => nowMs,
      onEnded: () => undefined,
      onChanged: () => undefined,
      onLost: () => undefined,
      maxEnded: 2,
    };
    const watch = watching(options);
    await vi.waitFor(() => expect(watch.stretch).toBe(1));
    expect(watch.covers(1_030, "u")).toBe(false);
    expect(watch.covers(1_031, "u")).toBe(true);
    nowMs = 2_000_000;
    tell(["a", "b", "c"]);
    await vi.waitFor(() => expect(watch.hasEnded("c")).toBe(true));
    expect(watch.hasEnded("a")).toBe(false);
    expect(watch.covers(1_031, "u")).toBe(false);
    expect(watch.covers(2_031, "u")).toBe(true);
  });

  test("covers no token of a user that was issued before the user changed, and none of anybody before all did", async () => {
    const { authority, change } = createSource();
    let nowMs = 1_000_000;
    const changed: unknown[] = [];
    const onChanged = (userIds: unknown) => changed.push(userIds);
    const watch = watching({
      authority,
      nowMs: () => nowMs,
      onEnded: () => undefined,
      onChanged,
      onLost: () => undefined,
    });
    await vi.waitFor(() => expect(watch.stretch).toBe(1));
    nowMs = 2_000_000;
    change(["u"]);
    await vi.waitFor(() => expect(changed).toStrictEqual([["u"]]));
    expect([1_031, 2_030, 2_031].map((issuedAtS) => watch.covers(issuedAtS, "u"))).toStrictEqual([false, false, true]);
    expect(watch.covers(1_031, "v")).toBe(true);
    nowMs = 3_000_000;
    change("all");
    await vi.waitFor(() => expect(changed).toStrictEqual([["u"], undefined]));
    expect([2_031, 3_030, 3_031].map((issuedAtS) => watch.covers(issuedAtS, "v"))).toStrictEqual([false, false, true]);
  });
});

describe("an address", () => {
  const create = (address: string, tls?: object) => {
    const options = { address, serviceAccount: "sa_x", onProblem: () => undefined };
    const auth = createAuth(tls === undefined ? options : { ...options, tls });
    auth.close();
  };

  test.each(["auth.internal:8080", "10.0.0.7:8080", "127.0.0.1.evil.example:80", "localhost.evil.example", "[::2]:80"])(
    "of another machine, %s, says whether it is TLS",
    (address) => {
      expect(() => create(address)).toThrow(`address: say https://${address}, or http://${address}`);
      for (const said of [`https://${address}`, `http://${address}`]) expect(() => create(said)).not.toThrow();
      expect(() => create(address, { ca: "x" })).not.toThrow();
    },
  );

  test.each(["localhost:8080", "127.0.0.1:8080", "127.8.9.1:1", "[::1]:8080", "sello.localhost:8080"])(
    "of this machine, %s, may leave it out",
    (address) => expect(() => create(address)).not.toThrow(),
  );

  test.each(["", "ftp://localhost", "https://auth.internal/path", "a b"])(
    "that is none, '%s', is refused",
    (address) => {
      expect(() => create(address)).toThrow("is no address of a server");
    },
  );
});
