import { LRUCache } from "lru-cache";
import type { ChannelStore } from "../service/channel-ports.ts";
import type { Clock } from "../service/ports.ts";

const MAX_CHANNELS = 10_000;
const BITS_A_PART = 8192;

type Channel = { wrappedRoot: string; endsMs: number; accepted: Map<number, Uint8Array> };

/**
 * Channels of one process. Full, it forgets the one that was used least lately, whose client opens another. Accepted counters are
 * kept in parts of a kilobyte.
 */
export function createMemoryChannels(clock: Clock, max = MAX_CHANNELS): ChannelStore {
  const channels = new LRUCache<string, Channel>({ max });

  function find(sid: string): Channel | undefined {
    const channel = channels.get(sid);
    if (channel === undefined || channel.endsMs > clock.now().getTime()) return channel;
    channels.delete(sid);
    return undefined;
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
      const index = Math.floor(n / BITS_A_PART);
      const part = channel.accepted.get(index) ?? new Uint8Array(BITS_A_PART / 8);
      channel.accepted.set(index, part);
      const place = (n % BITS_A_PART) >> 3;
      const bit = 1 << (n & 7);
      const bits = part[place] ?? 0;
      part[place] = bits | bit;
      return (bits & bit) === 0 ? "accepted" : "replayed";
    },
  };
}
