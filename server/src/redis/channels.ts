import { AuthError } from "../domain/errors.ts";
import type { Breaker } from "../service/breaker.ts";
import type { ChannelStore } from "../service/channel-ports.ts";
import type { RedisClient } from "./connection.ts";

/**
 * Accepted counters are bits of strings that hold 1024 each. One message costs 264 bytes of Redis 7 at the most, whatever its
 * counter, and a channel 344 KiB, for which it takes 2048 messages. Smaller parts would make the whole dearer: a key costs as
 * much as a part. A part lives as long as its channel.
 */
const ACCEPT = `
local left = redis.call("PTTL", KEYS[1])
if left <= 0 then return -1 end
local was = redis.call("SETBIT", KEYS[2], ARGV[1], 1)
redis.call("PEXPIRE", KEYS[2], left)
return was`;
const BITS_A_PART = 1024;

type WithAccept = { acceptChannelMessage(root: string, part: string, bit: number): Promise<number> };
const OUTCOMES: Record<number, Awaited<ReturnType<ChannelStore["accept"]>>> = {
  [-1]: "unknown",
  0: "accepted",
  1: "replayed",
};

/** Channels that all replicas share. The keys of one have a hash tag in common: one slot of a cluster holds them. */
export function createRedisChannels(redis: RedisClient, breaker: Breaker): ChannelStore {
  redis.defineCommand("acceptChannelMessage", { numberOfKeys: 2, lua: ACCEPT });
  const scripts = redis as unknown as WithAccept;
  const rootKey = (sid: string) => `channel:{${sid}}:root`;
  const partKey = (sid: string, n: number) => `channel:{${sid}}:accepted:${Math.floor(n / BITS_A_PART)}`;

  async function send<T>(command: () => Promise<T>): Promise<T> {
    try {
      return await breaker(command);
    } catch (cause) {
      throw new AuthError("unavailable", { cause, retryAfterS: 1 });
    }
  }

  return {
    async create(sid, wrappedRoot, ttlS) {
      await send(() => redis.set(rootKey(sid), wrappedRoot, "EX", ttlS));
    },
    async findRoot(sid) {
      return (await send(() => redis.get(rootKey(sid)))) ?? undefined;
    },
    async accept(sid, n) {
      const answer = await send(() => scripts.acceptChannelMessage(rootKey(sid), partKey(sid, n), n % BITS_A_PART));
      const outcome = OUTCOMES[answer];
      if (outcome === undefined) throw new Error(`the channel script answered ${answer}`);
      return outcome;
    },
  };
}
