export type SessionLifetimes = {
  refreshTtlS: number;
  /** How long after the login the session ends, whatever happens. */
  sessionMaxAgeS: number;
  /** How long an unused session lives; undefined when it is not limited. */
  sessionIdleS: number | undefined;
};

/** When a session that opens now ends at the latest. */
export function sessionEnd(now: Date, lifetimes: SessionLifetimes): Date {
  return addSeconds(now, lifetimes.sessionMaxAgeS);
}

/** How long a refresh token issued now lives, in seconds, before the end of its session caps it. */
export function refreshLifeS(lifetimes: SessionLifetimes): number {
  return Math.min(lifetimes.refreshTtlS, lifetimes.sessionIdleS ?? Number.POSITIVE_INFINITY);
}

export function addSeconds(date: Date, seconds: number): Date {
  return new Date(date.getTime() + seconds * 1000);
}

export function secondsUntil(date: Date, now: Date): number {
  return Math.max(0, Math.round((date.getTime() - now.getTime()) / 1000));
}
