import { Cluster, Redis } from "ioredis";
import { within } from "../service/breaker.ts";

export type RedisClient = Redis | Cluster;
export type RedisOptions = { url: string; cluster: boolean; keyPrefix: string; onError(error: Error): void };

const CONNECT_TIMEOUT_MS = 1_000;
const LONGEST_RETRY_MS = 1_000;
/** A connection that owes an answer for so long is closed: TCP alone would wait for a lost network for minutes. */
const SILENCE_MS = 1_500;
const PING_MS = 500;

/**
 * A connection that waits for nothing without a limit: no queue while it is down, no retries; how long a command may take is
 * the breaker's to say. It reconnects by itself within a second of the server's return. A cluster's commands are not pipelined: the client does not
 * follow slots that moved when commands of several were sent together.
 */
export function connectRedis(options: RedisOptions): RedisClient {
  const node = {
    connectTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: SILENCE_MS,
    maxRetriesPerRequest: 0,
  };
  const retry = (times: number) => Math.min(times * 100, LONGEST_RETRY_MS);
  const client = options.cluster
    ? new Cluster([options.url], {
        redisOptions: node,
        keyPrefix: options.keyPrefix,
        enableOfflineQueue: false,
        clusterRetryStrategy: retry,
      })
    : new Redis(options.url, {
        ...node,
        keyPrefix: options.keyPrefix,
        enableOfflineQueue: false,
        retryStrategy: retry,
        enableAutoPipelining: true,
      });
  client.on("error", options.onError);
  return client;
}

/** Resolves when the first connection stands. @throws the connection's error when it does not within `timeoutMs`. */
export function untilReady(client: RedisClient, timeoutMs: number): Promise<void> {
  if (client.status === "ready") return Promise.resolve();
  return new Promise((resolve, reject) => {
    let last: Error | undefined;
    const onError = (error: Error) => {
      last = error;
    };
    const finish = (outcome: () => void) => {
      clearTimeout(timer);
      client.off("ready", onReady);
      client.off("error", onError);
      outcome();
    };
    const onReady = () => finish(resolve);
    const timer = setTimeout(
      () => finish(() => reject(new Error("Redis does not answer", { cause: last }))),
      timeoutMs,
    );
    client.on("ready", onReady);
    client.on("error", onError);
  });
}

/** Whether Redis answers; of a cluster, whether each of its masters does, and none misses a slot. */
export async function pingRedis(client: RedisClient): Promise<boolean> {
  try {
    return await within(PING_MS, client instanceof Cluster ? isWhole(client) : client.ping().then(() => true), "Redis");
  } catch {
    return false;
  }
}

/** A master that is dead is soon no longer among the nodes: the others say that its slots are missing. */
async function isWhole(client: Cluster): Promise<boolean> {
  const infos = await Promise.all(client.nodes("master").map((node) => node.cluster("INFO")));
  return infos.length > 0 && infos.every((info) => String(info).includes("cluster_state:ok"));
}
