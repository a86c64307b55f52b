import { LRUCache } from "lru-cache";

/** Users whose roles, permissions or username changed while somebody watched, as many as memory is set aside for. */
export type ChangedUsers = {
  /** How often anything was told so far. */
  readonly count: number;
  add(userIds: readonly string[], trustedFromS: number): void;
  /** Whether the user changed after the count was that. */
  hasSince(userId: string, count: number): boolean;
  /** From which time of issue on a token says the truth of the user; undefined when nothing is known against any. */
  trustedFromS(userId: string): number | undefined;
};

type Change = { count: number; trustedFromS: number };

/** `onForgotten` is called when one had to be forgotten: tokens of before that moment are not to be relied on then. */
export function createChangedUsers({ max, onForgotten }: { max: number; onForgotten: () => void }): ChangedUsers {
  let count = 0;
  const changes = new LRUCache<string, Change>({
    max,
    dispose: (_change, _id, reason) => {
      if (reason === "evict") onForgotten();
    },
  });
  return {
    get count() {
      return count;
    },
    add(userIds, trustedFromS) {
      count++;
      for (const id of userIds) changes.set(id, { count, trustedFromS });
    },
    // Without a touch: the order stays that of the changes, and the oldest is forgotten first.
    hasSince: (userId, since) => (changes.peek(userId)?.count ?? 0) > since,
    trustedFromS: (userId) => changes.peek(userId)?.trustedFromS,
  };
}
