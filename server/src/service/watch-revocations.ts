import { setTimeout as wait } from "node:timers/promises";
import { AuthError } from "../domain/errors.ts";
import type { EndedSessions, Word } from "./backend-ports.ts";

/** Tells of sessions that end, and of users who change. */
export type Revocations = {
  /**
   * First an empty list: from then on, sessions that end and users who change, within a second, and an empty list as a sign of life
   * when none did for some seconds. @throws AuthError `unavailable` when the database does not answer or the reader is too slow;
   * the signal's reason.
   */
  watch(signal: AbortSignal): AsyncIterable<Word[]>;
};

const POLL_MS = 300;
/** Half of what the contract promises: a stream that is late by as much again is still in time. */
const SIGN_OF_LIFE_MS = 5_000;
/** Words that wait for one reader. Beyond that it is better off with an empty cache. */
const MAX_WAITING = 10_000;
const TOO_SLOW = "More happened than was read. Begin again with an empty cache.";

/** However many watch, the database is asked once; while nobody does, never. */
export function createRevocations(ended: EndedSessions): Revocations {
  const watchers = new Set<Watcher>();
  let begun: Promise<void> | undefined;

  /** Resolves when it is known what ended before. */
  function begin(): Promise<void> {
    if (begun !== undefined) return begun;
    const first = ended.since(undefined);
    begun = first.then(() => undefined);
    first.then(follow).catch(failAll);
    return begun;
  }

  async function follow(look: Awaited<ReturnType<EndedSessions["since"]>>): Promise<void> {
    let { moment, words } = look;
    for (;;) {
      await wait(POLL_MS, undefined, { ref: false });
      if (watchers.size === 0) break;
      const told = new Set(words.map(({ key }) => key));
      ({ moment, words } = await ended.since(moment));
      tell(words.filter(({ key }) => !told.has(key)));
    }
    begun = undefined;
  }

  function tell(words: Word[]): void {
    if (words.length === 0) return;
    for (const watcher of watchers) {
      if (watcher.tell(words)) continue;
      watchers.delete(watcher);
      watcher.fail(new AuthError("unavailable", { message: TOO_SLOW }));
    }
  }

  function failAll(error: unknown): void {
    begun = undefined;
    for (const watcher of watchers) watcher.fail(error);
    watchers.clear();
  }

  return {
    async *watch(signal) {
      const watcher = createWatcher();
      const leave = () => {
        watchers.delete(watcher);
        watcher.fail(signal.reason);
      };
      signal.throwIfAborted();
      signal.addEventListener("abort", leave);
      watchers.add(watcher);
      try {
        await begin();
        yield [];
        for (;;) yield await watcher.next();
      } finally {
        watchers.delete(watcher);
        signal.removeEventListener("abort", leave);
      }
    },
  };
}

type Watcher = {
  /** False when too many wait already. */
  tell(words: Word[]): boolean;
  fail(error: unknown): void;
  /** What was told since; after a while without news, nothing. @throws what it failed with. */
  next(): Promise<Word[]>;
};

function createWatcher(): Watcher {
  let waiting: Word[] = [];
  let failure: { error: unknown } | undefined;
  let wake = () => {};
  const news = () =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, SIGN_OF_LIFE_MS);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  return {
    tell(words) {
      if (waiting.length + words.length > MAX_WAITING) return false;
      waiting = waiting.concat(words);
      wake();
      return true;
    },

    fail(error) {
      waiting = [];
      failure ??= { error };
      wake();
    },

    async next() {
      if (waiting.length === 0 && failure === undefined) await news();
      if (failure !== undefined) throw failure.error;
      const told = waiting;
      waiting = [];
      return told;
    },
  };
}
