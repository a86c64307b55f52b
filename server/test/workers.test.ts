import { spawnSync } from "node:child_process";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { me, registerUser } from "./support/client.ts";
import { hasRedisServer, isRequired, startRedisServer } from "./support/redis-server.ts";
import { createServerProcesses, type Running, type ServerProcesses } from "./support/server-processes.ts";

const missingRedis = !hasRedisServer && !isRequired("redis");

let servers: ServerProcesses;
beforeEach(async () => {
  servers = await createServerProcesses();
});
afterEach(() => servers[Symbol.asyncDispose]());

/** Ports below those that the system hands out. */
const METRICS_PORT = 19_600 + (process.pid % 1_000) * 4;

async function startWorkers(env: Record<string, string> = {}): Promise<Running> {
  const redis = await startRedisServer();
  onTestFinished(() => redis[Symbol.asyncDispose]());
  const running = await servers.start({
    WORKERS: "2",
    REDIS_URL: redis.url,
    METRICS_PORT: String(METRICS_PORT),
    ...env,
  });
  await listening(running, 2);
  return running;
}

const countOf = (text: string, part: string) => text.split(part).length - 1;
const listening = ({ output }: Running, times: number) =>
  vi.waitFor(() => expect(countOf(output(), '"msg":"listening"')).toBe(times), { timeout: 30_000 });

function workersOf({ child }: Running): number[] {
  const { stdout } = spawnSync("ps", ["-o", "pid=,args=", "--ppid", String(child.pid)], { encoding: "utf8" });
  const lines = stdout.split("\n").filter((line) => line.includes("dist/main.js"));
  return lines.map((line) => Number.parseInt(line, 10));
}

const metricsAt = (port: number) =>
  fetch(`http://127.0.0.1:${port}/metrics`).then(
    (response) => response.status,
    () => "nobody",
  );

describe.skipIf(missingRedis)("several workers", () => {
  test("serve on one port, on the PostgreSQL that they brought, and the greeting says so once", async () => {
    const running = await startWorkers();
    const user = await registerUser(running.url);
    const answers = await Promise.all(Array.from({ length: 20 }, () => me(running.url, user.access_token)));
    expect(new Set(answers.map(({ status }) => status))).toStrictEqual(new Set([200]));
    await vi.waitFor(() => expect(running.output()).toContain("Embedded: PostgreSQL 18 in "));
    expect(running.output()).toContain(`(metrics on ports ${METRICS_PORT} to ${METRICS_PORT + 1})`);
    expect(countOf(running.output(), "Try:")).toBe(1);
    expect(await servers.stop(running.child)).toBe(0);
  });

  test("that are killed come back on the metrics port of their slot", async () => {
    const running = await startWorkers();
    for (const round of [1, 2, 3]) {
      const [victim] = workersOf(running);
      process.kill(victim ?? 0, "SIGKILL");
      await listening(running, 2 + round);
    }
    const ports = [0, 1, 2, 3, 4, 5].map((offset) => METRICS_PORT + offset);
    expect(await Promise.all(ports.map(metricsAt))).toStrictEqual([200, 200, "nobody", "nobody", "nobody", "nobody"]);
    expect(countOf(running.output(), "a worker ended")).toBe(3);
    expect(countOf(running.output(), "Try:")).toBe(1);
    expect(await servers.stop(running.child)).toBe(0);
  });
});
