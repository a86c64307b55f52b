import { readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loginUser, me, registerUser } from "./support/client.ts";
import { createServerProcesses, type Running, type ServerProcesses } from "./support/server-processes.ts";
import { createTestDatabase, dropTestDatabase } from "./support/start-app.ts";

const STORM = 200;
const QUEUE = 32;
const THREADS = 2;
/** Ten times as many logins as two cores can hash, and few enough for their arrival alone not to be the load. */
const EVERY_MS = 3;

let servers: ServerProcesses;
let databaseUrl: string;
let running: Running;
beforeAll(async () => {
  servers = await createServerProcesses();
  databaseUrl = await createTestDatabase();
  // A process of its own: what the test itself computes would count as the server's slowness.
  running = await servers.start({
    DATABASE_URL: databaseUrl,
    ARGON2_QUEUE: String(QUEUE),
    ARGON2_CONCURRENCY: String(THREADS),
    LOCKOUT_THRESHOLD: "100000",
    RATE_LIMIT_LOGIN_IP: "off",
    RATE_LIMIT_LOGIN_ACCOUNT: "off",
    RATE_LIMIT_REGISTER_IP: "off",
  });
});
afterAll(async () => {
  await servers[Symbol.asyncDispose]();
  await dropTestDatabase(databaseUrl);
});

type Timed = { status: number; ms: number };

async function timed(call: Promise<{ status: number }>): Promise<Timed> {
  const start = performance.now();
  const { status } = await call;
  return { status, ms: performance.now() - start };
}

const msOf = (calls: Timed[]) => calls.map(({ ms }) => ms);
const quantile = (values: number[], q: number) =>
  values.toSorted((a, b) => a - b)[Math.ceil(values.length * q) - 1] ?? Number.NaN;

/** Starts so many calls, each at its time whether the ones before have ended or not. */
function paced<T>(count: number, start: (index: number) => Promise<T>): Promise<T[]> {
  return new Promise((resolve) => {
    const calls: Promise<T>[] = [];
    const timer = setInterval(() => {
      calls.push(start(calls.length));
      if (calls.length < count) return;
      clearInterval(timer);
      resolve(Promise.all(calls));
    }, EVERY_MS);
  });
}

/** How long the server itself took for each login that it refused as one too many. */
function refusalsOf({ output }: Running): number[] {
  const lines = output()
    .split("\n")
    .filter((line) => line.includes('"code":"overloaded"'));
  return lines.map((line) => JSON.parse(line).duration_ms);
}

/** How many threads of the server have each niceness: proc_pid_stat(5). */
function threadsByNiceness({ child }: Running): Map<number, number> {
  const counts = new Map<number, number>();
  for (const thread of readdirSync(`/proc/${child.pid}/task`)) {
    const stat = readFileSync(`/proc/${child.pid}/task/${thread}/stat`, "utf8");
    const niceness = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[16]);
    counts.set(niceness, (counts.get(niceness) ?? 0) + 1);
  }
  return counts;
}

describe("a storm of logins", () => {
  test("is answered from a bounded queue, the surplus at once, and leaves other calls their speed", async () => {
    const users = await Promise.all(Array.from({ length: 8 }, () => registerUser(running.url)));
    const [user] = users;
    if (user === undefined) throw new Error("eight were registered");
    let over = false;
    const storm = paced(STORM, (index) =>
      timed(loginUser(running.url, users[index % users.length]?.credentials.email ?? "")),
    ).finally(() => {
      over = true;
    });
    const others: Timed[] = [];
    while (!over) others.push(await timed(me(running.url, user.access_token)));
    const logins = await storm;

    const served = logins.filter(({ status }) => status === 200);
    const surplus = logins.filter(({ status }) => status === 503);
    expect(served.length + surplus.length).toBe(STORM);
    expect(served.length).toBeGreaterThanOrEqual(QUEUE);
    expect(surplus.length).toBeGreaterThan(0);
    // The server's own time, since what the network and a busy neighbour add is not its doing.
    const refusals = refusalsOf(running);
    expect(refusals).toHaveLength(surplus.length);
    expect(quantile(refusals, 0.9)).toBeLessThan(50);
    expect(quantile(msOf(surplus), 0.5)).toBeLessThan(quantile(msOf(served), 0.5) / 2);
    expect(new Set(others.map(({ status }) => status))).toStrictEqual(new Set([200]));
    // With hashes on libuv's threads each waited for seconds; with threads of the event loop's own priority, one in ten did.
    expect(quantile(msOf(others), 0.9)).toBeLessThan(100);
    expect((await loginUser(running.url, user.credentials.email)).status).toBe(200);
  });

  test.runIf(process.platform === "linux")("is hashed by threads that let all others go first", async () => {
    expect((await registerUser(running.url)).token_type).toBe("Bearer");
    const { 0: usual = 0, 10: low = 0, ...none } = Object.fromEntries(threadsByNiceness(running));
    expect(none).toStrictEqual({});
    expect(low).toBe(THREADS);
    expect(usual).toBeGreaterThan(THREADS);
  });
});
