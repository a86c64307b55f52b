import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { vi } from "vitest";

/** A Redis of one test file, on its own port and folder. */
export type RedisServer = AsyncDisposable & {
  url: string;
  port: number;
  /** Stops it in its tracks: connections stay, and nothing answers. */
  freeze(): void;
  thaw(): void;
  /** Kills it without a word, and waits until it is gone. */
  kill(): Promise<void>;
  /** Starts it again on the same port, with nothing in it. */
  start(): Promise<void>;
};

export const hasRedisServer = spawnSync("redis-server", ["--version"]).status === 0;

/** Whether the run was told that this must not be skipped: `SELLO_REQUIRE=redis,redis-cluster`. */
export function isRequired(what: "redis" | "redis-cluster"): boolean {
  return (process.env["SELLO_REQUIRE"] ?? "").split(",").includes(what);
}

export async function startRedisServer(options: { cluster?: boolean } = {}): Promise<RedisServer> {
  const folder = await mkdtemp(join(tmpdir(), "sello-redis-"));
  const port = await freePort();
  const cluster = options.cluster ? ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"] : [];
  const fixed = ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", "no"];
  let child: ChildProcess | undefined;
  const kill = async () => {
    const running = child;
    child = undefined;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const ended = once(running, "exit");
    running.kill("SIGKILL");
    await ended;
  };
  const start = async () => {
    child = spawn("redis-server", [...fixed, ...cluster], { stdio: "ignore" });
    await answers(port);
  };
  await start();
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    freeze: () => void child?.kill("SIGSTOP"),
    thaw: () => void child?.kill("SIGCONT"),
    kill,
    start,
    async [Symbol.asyncDispose]() {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export type RedisCluster = AsyncDisposable & { url: string; nodes: RedisServer[] };

const SLOTS = 16_384;

/** Three masters that share the slots, without replicas. */
export async function startRedisCluster(): Promise<RedisCluster> {
  const nodes = await Promise.all([0, 1, 2].map(() => startRedisServer({ cluster: true })));
  const clients = nodes.map((node) => new Redis(node.url));
  const stop = async () => {
    await Promise.all(nodes.map((node) => node[Symbol.asyncDispose]()));
  };
  try {
    await joinCluster(nodes, clients);
  } catch (error) {
    await stop();
    throw error;
  } finally {
    for (const client of clients) client.disconnect();
  }
  return { url: nodes[0]?.url ?? "", nodes, [Symbol.asyncDispose]: stop };
}

async function joinCluster(nodes: RedisServer[], clients: Redis[]): Promise<void> {
  for (const [index, client] of clients.entries()) {
    const from = Math.floor((index * SLOTS) / nodes.length);
    const to = Math.floor(((index + 1) * SLOTS) / nodes.length) - 1;
    await client.call("CLUSTER", "ADDSLOTSRANGE", from, to);
    await client.call("CLUSTER", "SET-CONFIG-EPOCH", index + 1);
  }
  for (const node of nodes.slice(1)) await clients[0]?.call("CLUSTER", "MEET", "127.0.0.1", node.port);
  const isWhole = async (client: Redis) => String(await client.call("CLUSTER", "INFO")).includes("cluster_state:ok");
  await vi.waitFor(
    async () => {
      const answers = await Promise.all(clients.map(isWhole));
      if (answers.includes(false)) throw new Error("the cluster is not whole");
    },
    { timeout: 20_000, interval: 50 },
  );
}

async function answers(port: number): Promise<void> {
  const client = new Redis(port, "127.0.0.1", {
    lazyConnect: true,
    retryStrategy: () => 50,
    maxRetriesPerRequest: 100,
  });
  client.on("error", () => undefined);
  await client.connect().catch(() => undefined);
  await client.ping();
  client.disconnect();
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, "close");
  // A cluster's nodes talk on the port 10,000 above.
  return port < 55_000 ? port : freePort();
}
