import { LRUCache } from "lru-cache";
import type { ChannelStore } from "../service/channel-ports.ts";
import type { Clock } from "../service/ports.ts";

const LIMITS = { channels: 10_000, parts: 65_536 };
const BITS_A_PART = 1024;

type Channel = { wrappedRoot: string; endsMs: number; accepted: Map<number, Uint8Array> };

/**
 * Channels of one process. Full, it forgets the one that was used least lately, whose client opens another. Accepted counters are
 * kept in parts of 128 bytes. When all channels together have too many of those, one that is over is forgotten, or the one that
 * has the most: who spreads counters to fill the memory loses his own.
 */
export function createMemoryChannels(clock: Clock, limits = LIMITS): ChannelStore {
  let parts = 0;
  const channels = new LRUCache<string, Channel>({
    max: limits.channels,
    dispose({ accepted }) {
      parts -= accepted.size;
    },
  });

  function find(sid: string): Channel | undefined {
    const channel = channels.get(sid);
    if (channel === undefined || channel.endsMs > clock.now().getTime()) return channel;
    channels.delete(sid);
    return undefined;
  }

  function partOf({ accepted }: Channel, n: number): Uint8Array {
    const index = Math.floor(n / BITS_A_PART);
    const known = accepted.get(index);
    if (known !== undefined) return known;
    const part = new Uint8Array(BITS_A_PART / 8);
    accepted.set(index, part);
    parts++;
    return part;
  }

  function forgetLargest(): void {
    const now = clock.now().getTime();
    let largest: { sid: string; size: number } | undefined;
    for (const [sid, { accepted, endsMs }] of channels.entries()) {
      const size = endsMs > now ? accepted.size : Number.POSITIVE_INFINITY;
      if (largest === undefined || size > largest.size) largest = { sid, size };
    }
    if (largest !== undefined) channels.delete(largest.sid);
  }

  return {
    async create(sid, wrappedRoot, ttlS) {
      channels.set(sid, { wrappedRoot, endsMs: clock.now().getTime() + ttlS * 1000, accepted: new Map() });
    },
    async findRoot(sid) {
      return find(sid)?.wrappedRoot;
    },
    async accept(sid, n) {
      const channel = find(sid);
      if (channel === undefined) return "unknown";
      const part = partOf(channel, n);
      const place = (n % BITS_A_PART) >> 3;
      const bit = 1 << (n & 7);
      const bits = part[place] ?? 0;
      part[place] = bits | bit;
      if (parts > limits.parts) forgetLargest();
      return (bits & bit) === 0 ? "accepted" : "replayed";
    },
  };
}
