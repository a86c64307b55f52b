import { Cluster } from "ioredis";
import type { RedisClient } from "./connection.ts";

/**
 * The policies, other than `noeviction`, by which Redis or a master of the cluster may forget keys that are still alive: a nonce
 * that is forgotten lets its envelope pass twice. Empty too where Redis does not say.
 */
export async function evictionPolicies(client: RedisClient): Promise<string[]> {
  const nodes = client instanceof Cluster ? client.nodes("master") : [client];
  // Not by CONFIG GET, which the hosts of Redis like to forbid.
  const infos = await Promise.all(nodes.map((node) => node.info("memory").catch(() => "")));
  const policies = infos.map((info) => /^maxmemory_policy:(\S+)/m.exec(info)?.[1]);
  return [...new Set(policies)].filter((policy) => policy !== undefined && policy !== "noeviction") as string[];
}
