import { LRUCache } from "lru-cache";

/** Sessions that are known to be over, as many as memory is set aside for. */
export type EndedSessions = {
  add(sessionIds: readonly string[]): void;
  has(sessionId: string): boolean;
};

/** `onForgotten` is called when one had to be forgotten: what was not told before is not to be relied on then. */
export function createEndedSessions({ max, onForgotten }: { max: number; onForgotten: () => void }): EndedSessions {
  const ids = new LRUCache<string, true>({
    max,
    dispose: (_value, _id, reason) => {
      if (reason === "evict") onForgotten();
    },
  });
  return {
    add(sessionIds) {
      for (const id of sessionIds) ids.set(id, true);
    },
    // Without a touch: the order stays that of their ends, and the oldest is forgotten first.
    has: (sessionId) => ids.has(sessionId),
  };
}
