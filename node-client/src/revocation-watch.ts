import { setTimeout as wait } from "node:timers/promises";
import type { Authority, News } from "./authority.ts";
import { backoffMs } from "./backoff.ts";
import { createChangedUsers } from "./changed-users.ts";
import { createEndedSessions } from "./ended-sessions.ts";
import type { AuthError } from "./errors.ts";
import { toAuthError } from "./to-auth-error.ts";

/** What is known of sessions that end and of users who change, for as long as the server tells. */
export type RevocationWatch = {
  /** A number for this uninterrupted stretch of the stream; undefined while there is none. */
  readonly stretch: number | undefined;
  /**
   * Whether a token that was issued at that time, in Unix seconds, still says the truth of its user unless `hasEnded` knows of its
   * session: everything that speaks against it would be known here.
   */
  covers(issuedAtS: number, userId: string): boolean;
  hasEnded(sessionId: string): boolean;
  /** How often a change of users was told so far. */
  readonly changes: number;
  /** Whether the user changed since `changes` was that. */
  hasChangedSince(userId: string, changes: number): boolean;
  close(): void;
};

export type RevocationWatchOptions = {
  authority: Pick<Authority, "watchRevocations">;
  nowMs: () => number;
  /** Sessions that ended just now. */
  onEnded: (sessionIds: readonly string[]) => void;
  /** Users of whom nothing is known any more; undefined is all of them. */
  onChanged: (userIds: readonly string[] | undefined) => void;
  /** From now on nothing is told. */
  onLost: (error: AuthError) => void;
  silenceMs?: number;
  maxEnded?: number;
};

/** The server shows a sign of life every ten seconds: after this long without one, the stream is lost. */
const SILENCE_MS = 12_000;
const BACKOFF = { baseMs: 100, maxMs: 5_000 };
const MAX_ENDED = 100_000;
/** How far this machine's clock and the server's may be apart: contract section 5. */
const CLOCK_SKEW_S = 30;

/** Watches until it is closed, and begins again whenever the stream is lost. */
export function createRevocationWatch(options: RevocationWatchOptions): RevocationWatch {
  const { authority, nowMs, silenceMs = SILENCE_MS, maxEnded = MAX_ENDED } = options;
  const closing = new AbortController();
  let stretches = 0;
  let stretch: number | undefined;
  /** Of tokens that were issued before, the session may have ended without a word. */
  let knownFromS = Number.POSITIVE_INFINITY;
  const trustedFromNowS = () => nowMs() / 1000 + CLOCK_SKEW_S;
  const knowFromNow = () => {
    knownFromS = trustedFromNowS();
  };
  const ended = createEndedSessions({ max: maxEnded, onForgotten: knowFromNow });
  const changed = createChangedUsers({ max: maxEnded, onForgotten: knowFromNow });
  /** The count of changes at the last one of everybody. */
  let allChangedAt = 0;

  function takeChanges({ changedUserIds, allUsersChanged }: News): void {
    if (changedUserIds.length === 0 && !allUsersChanged) return;
    changed.add(changedUserIds, trustedFromNowS());
    if (allUsersChanged) {
      allChangedAt = changed.count;
      knowFromNow();
    }
    options.onChanged(allUsersChanged ? undefined : changedUserIds);
  }

  function take(news: News): void {
    const { sessionIds } = news;
    if (stretch === undefined) {
      stretch = ++stretches;
      knowFromNow();
    }
    ended.add(sessionIds);
    if (sessionIds.length > 0) options.onEnded(sessionIds);
    takeChanges(news);
  }

  function lose(error: unknown): void {
    stretch = undefined;
    options.onLost(toAuthError(error));
  }

  /** Rejects when the stream is over or silent. */
  async function follow(): Promise<never> {
    const silent = new AbortController();
    const timer = setTimeout(() => silent.abort(new Error("the stream fell silent")), silenceMs);
    try {
      const signal = AbortSignal.any([closing.signal, silent.signal]);
      for await (const news of authority.watchRevocations(signal)) {
        signal.throwIfAborted();
        timer.refresh();
        take(news);
      }
      throw new Error("the stream ended");
    } finally {
      clearTimeout(timer);
    }
  }

  async function run(): Promise<void> {
    for (let failures = 0; !closing.signal.aborted; failures++) {
      const before = stretches;
      await follow().catch(lose);
      if (stretches > before) failures = 0;
      await wait(backoffMs(failures, BACKOFF), undefined, { signal: closing.signal }).catch(() => undefined);
    }
  }

  void run();
  return {
    get stretch() {
      return stretch;
    },
    covers: (issuedAtS, userId) =>
      stretch !== undefined && issuedAtS > Math.max(knownFromS, changed.trustedFromS(userId) ?? 0),
    hasEnded: (sessionId) => ended.has(sessionId),
    get changes() {
      return changed.count;
    },
    hasChangedSince: (userId, changes) => allChangedAt > changes || changed.hasSince(userId, changes),
    close: () => closing.abort(),
  };
}
