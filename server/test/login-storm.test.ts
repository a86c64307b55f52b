import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loginUser, me, registerUser } from "./support/client.ts";
import { startApp, type TestApp } from "./support/start-app.ts";

const STORM = 200;
const QUEUE = 32;

let server: TestApp;
beforeAll(async () => {
  const env = {
    ARGON2_MEMORY_KIB: "19456",
    ARGON2_PASSES: "2",
    ARGON2_QUEUE: String(QUEUE),
    LOCKOUT_THRESHOLD: "100000",
  };
  server = await startApp({ env });
});
afterAll(() => server[Symbol.asyncDispose]());

describe("a storm of logins", () => {
  test("is answered from a bounded queue, the surplus at once, and leaves other calls their speed", async () => {
    const users = await Promise.all(Array.from({ length: 8 }, () => registerUser(server.url)));
    const [user] = users;
    if (user === undefined) throw new Error("eight were registered");
    await me(server.url, user.access_token);
    const statuses = new Map<number, number>();
    const storm = Array.from({ length: STORM }, async (_, index) => {
      const { status } = await loginUser(server.url, users[index % users.length]?.credentials.email ?? "");
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    });
    let over = false;
    const ended = Promise.all(storm).then(() => {
      over = true;
    });
    const waits: number[] = [];
    while (!over) {
      const start = performance.now();
      expect(await me(server.url, user.access_token)).toMatchObject({ status: 200 });
      waits.push(performance.now() - start);
    }
    await ended;

    expect([...statuses.keys()].sort()).toStrictEqual([200, 503]);
    expect(statuses.get(200)).toBeGreaterThanOrEqual(QUEUE);
    // Where hashes ran on libuv's threads, each of these waited for seconds.
    const median = waits.sort((a, b) => a - b)[Math.floor(waits.length / 2)];
    expect(median).toBeLessThan(100);
    expect((await loginUser(server.url, user.credentials.email)).status).toBe(200);
  });
});
