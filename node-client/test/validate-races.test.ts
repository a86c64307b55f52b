import { describe, expect, onTestFinished, test, vi } from "vitest";
import { createAuthOn } from "../src/auth.ts";
import { type Authority, type News, NO_NEWS, type Validated } from "../src/authority.ts";
import { codeOf } from "./support/client.ts";

/** A server whose answers and stream come when the test says so. */
function createAuthority() {
  const asked: { answer(validated: Validated): void }[] = [];
  let stream: { tell(news: News): void; end(): void } | undefined;
  const authority = {
    validateToken: () => new Promise<Validated>((answer) => asked.push({ answer })),
    async *watchRevocations(signal: AbortSignal) {
      yield NO_NEWS;
      for (;;) {
        yield await new Promise<News>((tell, reject) => {
          stream = { tell, end: () => reject(new Error("over")) };
          signal.addEventListener("abort", () => reject(signal.reason));
        });
      }
    },
    close() {},
  } as unknown as Authority;
  const tell = (sessionIds: string[]) => stream?.tell({ ...NO_NEWS, sessionIds });
  const change = (changedUserIds: string[] | "all") =>
    stream?.tell(changedUserIds === "all" ? { ...NO_NEWS, allUsersChanged: true } : { ...NO_NEWS, changedUserIds });
  return { authority, asked, tell, change, end: () => stream?.end() };
}

async function start(nowMs: () => number = Date.now) {
  const server = createAuthority();
  let losses = 0;
  const auth = createAuthOn(server.authority, { nowMs, onProblem: () => losses++ });
  onTestFinished(() => auth.close());
  await vi.waitFor(() => expect(auth.isWatching).toBe(true));
  const untilAsked = (times: number) => vi.waitFor(() => expect(server.asked).toHaveLength(times));
  const lose = async () => {
    server.end();
    await vi.waitFor(() => expect(losses).toBe(1));
  };
  return { ...server, auth, untilAsked, lose };
}

const validated = (sessionId: string): Validated => ({
  user: { id: "u", username: "anna", roles: [], permissions: [] },
  sessionId,
  expiresAt: new Date(Date.now() + 3_600_000),
});

describe("an answer that is on its way", () => {
  test("is worth nothing when its session ends before it arrives", async () => {
    const { auth, asked, tell, untilAsked } = await start();
    const pending = codeOf(auth.validate("a.b.c"));
    await untilAsked(1);
    tell(["s1"]);
    const other = codeOf(auth.validate("d.e.f"));
    await untilAsked(2);
    await new Promise((resolve) => setImmediate(resolve));
    asked[0]?.answer(validated("s1"));
    asked[1]?.answer(validated("s2"));
    expect([await pending, await other]).toStrictEqual(["token_revoked", "none"]);
  });

  test("is remembered for a second only when the stream was lost meanwhile", async () => {
    let nowMs = Date.now();
    const { auth, asked, lose, untilAsked } = await start(() => nowMs);
    const pending = codeOf(auth.validate("a.b.c"));
    await untilAsked(1);
    await lose();
    await vi.waitFor(() => expect(auth.isWatching).toBe(true));
    asked[0]?.answer(validated("s1"));
    expect(await pending).toBe("none");
    nowMs += 999;
    expect(await codeOf(auth.validate("a.b.c"))).toBe("none");
    nowMs += 1;
    const again = codeOf(auth.validate("a.b.c"));
    await untilAsked(2);
    asked[1]?.answer(validated("s1"));
    expect(await again).toBe("none");
  });
});

describe.each([["the user", ["u"]] as const, ["everybody", "all"] as const])("a change of %s", (_who, whom) => {
  const changes = whom === "all" ? whom : [...whom];

  test("makes the client ask again", async () => {
    const { auth, asked, change, untilAsked } = await start();
    const first = codeOf(auth.validate("a.b.c"));
    await untilAsked(1);
    asked[0]?.answer(validated("s1"));
    await first;
    change(["somebody else"]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(await codeOf(auth.validate("a.b.c"))).toBe("none");
    change(changes);
    await new Promise((resolve) => setImmediate(resolve));
    const again = codeOf(auth.validate("a.b.c"));
    await untilAsked(2);
    asked[1]?.answer(validated("s1"));
    expect(await again).toBe("none");
  });

  test("keeps an answer that is on its way from being remembered", async () => {
    const { auth, asked, change, untilAsked } = await start();
    const pending = codeOf(auth.validate("a.b.c"));
    await untilAsked(1);
    change(changes);
    await new Promise((resolve) => setImmediate(resolve));
    asked[0]?.answer(validated("s1"));
    expect(await pending).toBe("none");
    const again = codeOf(auth.validate("a.b.c"));
    await untilAsked(2);
    asked[1]?.answer(validated("s1"));
    expect(await again).toBe("none");
  });
});

test("the loss of the stream empties the cache at once", async () => {
  const { auth, asked, lose, untilAsked } = await start();
  const first = codeOf(auth.validate("a.b.c"));
  await untilAsked(1);
  asked[0]?.answer(validated("s1"));
  await first;
  await lose();
  const again = codeOf(auth.validate("a.b.c"));
  await untilAsked(2);
  asked[1]?.answer(validated("s1"));
  expect(await again).toBe("none");
});
