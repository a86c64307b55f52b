import { waitFor } from "./bounded.ts";
import { AuthError } from "./errors.ts";
import type { AuthUser } from "./people.ts";
import { oneByOne, singleFlight } from "./single-flight.ts";
import { toAuthError } from "./to-auth-error.ts";

/** An access token and whose it is. */
export type Grant = { accessToken: string; expiresInS: number; user: AuthUser };

export type AuthState = {
  readonly user: AuthUser | undefined;
  readonly isLoggedIn: boolean;
  /** Why the server ended the session, when it did. */
  readonly endedBy?: AuthError;
};

export type Session = {
  readonly state: AuthState;
  /** The token in hand, refreshed where it is about to expire, or that of a restore under way; undefined when there is none. */
  token(signal: AbortSignal): Promise<string | undefined>;
  /** The token after one that was refused: a younger one in hand, or that of one refresh for all who wait. */
  tokenAfter(refused: string, signal: AbortSignal): Promise<string | undefined>;
  /** Takes up the session that the cookie holds, unless there is one in hand. */
  restore(signal: AbortSignal): Promise<void>;
  /** Refreshes, by one request for all who wait. */
  renew(signal: AbortSignal): Promise<void>;
  /** Asks for a session, after whatever else is changing the cookie. An answer that is no grant leaves the session as it is. */
  begin<T extends object = never>(signal: AbortSignal, ask: () => Promise<Grant | T>): Promise<AuthUser | T>;
  /** Asks for another token of the session in hand, and takes it unless the session has changed meanwhile. */
  replaceToken(ask: () => Promise<Omit<Grant, "user">>): Promise<void>;
  /** Forgets the session now, then tells the server. Whatever was under way cannot bring it back. */
  end(signal: AbortSignal, tell: (token: string | undefined) => Promise<void>): Promise<void>;
  /** Takes what was learned of the user in hand. */
  replaceUser(user: AuthUser): void;
  subscribe(listener: (state: AuthState) => void): () => void;
};

export type SessionOptions = { refresh(): Promise<Grant>; monotonicMs(): number };

const REFUSALS = ["refresh_invalid", "refresh_expired", "refresh_reused"];
const LONGEST_MARGIN_S = 30;
const MARGIN_PART = 0.1;

type Held = { token: string; dueMs: number; endsMs: number; user: AuthUser };

/** The only place that holds a token. It is in memory, and gone with the page. */
export function createSession({ refresh, monotonicMs }: SessionOptions): Session {
  const inTurn = oneByOne();
  const listeners = new Set<(state: AuthState) => void>();
  let held: Held | undefined;
  let state: AuthState = { user: undefined, isLoggedIn: false };
  /** Grows with every logout: what began before it counts for nothing. */
  let logouts = 0;
  let restoring: Promise<void> | undefined;
  /** A restore found nobody to ask: whether the cookie holds a session is still to be seen. */
  let isUnknown = false;

  const hold = (next: Held | undefined, endedBy?: AuthError) => {
    held = next;
    state = { user: next?.user, isLoggedIn: next !== undefined, ...(endedBy && { endedBy }) };
    for (const listener of listeners) queueMicrotask(listener.bind(undefined, state));
  };
  const restore = () => {
    restoring ??= renew()
      .then(
        () => {
          isUnknown = false;
        },
        (error: AuthError) => {
          isUnknown = !REFUSALS.includes(error.code);
          throw error;
        },
      )
      .finally(() => {
        restoring = undefined;
      });
    return restoring;
  };
  const adopt = ({ accessToken, expiresInS, user }: Grant, begunMs: number) => {
    const marginS = Math.min(LONGEST_MARGIN_S, expiresInS * MARGIN_PART);
    const endsMs = begunMs + expiresInS * 1000;
    isUnknown = false;
    hold({ token: accessToken, dueMs: endsMs - marginS * 1000, endsMs, user });
  };

  const renew = singleFlight(() => {
    const before = held?.token;
    return inTurn(async () => {
      if (held?.token !== before) return;
      const [era, begunMs] = [logouts, monotonicMs()];
      try {
        const grant = await refresh();
        if (era === logouts) adopt(grant, begunMs);
      } catch (error) {
        const known = toAuthError(error);
        if (era === logouts && held && REFUSALS.includes(known.code)) hold(undefined, known);
        throw known;
      }
    });
  });

  return {
    get state() {
      return state;
    },
    async token(signal) {
      if (!held && restoring) await waitFor(restoring, signal).catch(() => signal.throwIfAborted());
      if (!held && isUnknown) {
        await waitFor(restore(), signal).catch((error) => {
          if (isUnknown || signal.aborted) throw error;
        });
      }
      if (held && monotonicMs() >= held.dueMs) {
        const stillGood = monotonicMs() < held.endsMs;
        await waitFor(renew(), signal).catch((error) => {
          if (!(stillGood && held) || signal.aborted) throw error;
        });
      }
      return held?.token;
    },
    async tokenAfter(refused, signal) {
      if (held?.token === refused) await waitFor(renew(), signal);
      return held?.token;
    },
    async restore(signal) {
      if (held) return;
      await waitFor(restore(), signal);
    },
    renew: (signal) => waitFor(renew(), signal),
    begin: (signal, ask) => {
      const era = logouts;
      const begun = inTurn(async () => {
        signal.throwIfAborted();
        const begunMs = monotonicMs();
        const grant = await ask();
        if (era !== logouts) throw new AuthError("cancelled", "A logout has overtaken this login.");
        if (!("accessToken" in grant)) return grant;
        adopt(grant, begunMs);
        return grant.user;
      });
      return waitFor(begun, signal);
    },
    end(signal, tell) {
      const token = held?.token;
      logouts++;
      isUnknown = false;
      if (held) hold(undefined);
      return waitFor(
        inTurn(() => tell(token)),
        signal,
      );
    },
    async replaceToken(ask) {
      const [era, begunMs, userId] = [logouts, monotonicMs(), held?.user.id];
      const token = await ask();
      if (era === logouts && held && held.user.id === userId) adopt({ ...token, user: held.user }, begunMs);
    },
    replaceUser(user) {
      const isNews = held?.user.id === user.id && JSON.stringify(held.user) !== JSON.stringify(user);
      if (held && isNews) hold({ ...held, user });
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
