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
    const user = await registerUser(server.url);
    await me(server.url, user.access_token);
    const refused: number[] = [];
    const statuses = new Map<number, number>();
    const storm = Array.from({ length: STORM }, async () => {
      const start = performance.now();
      const { status } = await loginUser(server.url, user.credentials.email);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      if (status === 503) refused.push(performance.now() - start);
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
    // The storm and its sender share this process: the first call waits for two hundred requests to be made and parsed.
    const later = waits.slice(1).sort((a, b) => a - b);
    expect(later[Math.floor(later.length * 0.99)]).toBeLessThan(100);
    const first = await loginUser(server.url, user.credentials.email);
    expect(first.status).toBe(200);
  });
});
