/** What one client may cost the server. All times are milliseconds. */
export type Limits = {
  /** Size of a request's header section. Above it: 413. */
  headerBytes: number;
  /** From accept to the first three bytes (clear text) or to the end of the handshake (TLS). */
  openingTimeoutMs: number;
  /** From a request's first byte to the end of its headers; on HTTP/2 also from the preface to the client's SETTINGS. */
  headersTimeoutMs: number;
  /** From a request's first byte (HTTP/2: from its headers) to the end of its body. */
  requestTimeoutMs: number;
  /** A connection without a request is closed after this. HTTP/1.1 adds the second that Node adds against races. */
  idleTimeoutMs: number;
  /** Response bytes that wait this long without any of them leaving end the stream (HTTP/2) or the connection (HTTP/1). */
  writeTimeoutMs: number;
  /** A response that was begun and is silent in both directions for this long is ended. */
  streamIdleMs: number;
  /** What a client that was refused or told to go may take to read why and leave. */
  lingerMs: number;
  /** Open requests of one HTTP/2 connection. */
  maxConcurrentStreams: number;
  /** Streams of one HTTP/2 connection that may end by a reset: at once, and then again each second. */
  resetBurst: number;
  resetsPerSecond: number;
  /** Open connections; one more is closed as soon as it is accepted. */
  maxConnections: number;
};

/** `openingTimeoutMs + headersTimeoutMs` is the 15 s within which a slow client must be gone. */
export const defaultLimits: Limits = {
  headerBytes: 16 * 1024,
  openingTimeoutMs: 5_000,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 15_000,
  idleTimeoutMs: 65_000,
  writeTimeoutMs: 15_000,
  streamIdleMs: 300_000,
  lingerMs: 2_000,
  maxConcurrentStreams: 128,
  resetBurst: 500,
  resetsPerSecond: 50,
  maxConnections: 10_000,
};

const LONGEST_SWEEP_MS = 500;

/**
 * How often deadlines are looked at. One sweep over all connections is cheaper than a timer for each request.
 * Deadlines are tested one sweep early (`dueAfter`), so that a limit is a promise and not an approximation.
 */
export function sweepIntervalMs(limits: Limits): number {
  const shortest = Math.min(
    limits.headersTimeoutMs,
    limits.requestTimeoutMs,
    limits.idleTimeoutMs,
    limits.writeTimeoutMs,
    limits.streamIdleMs,
  );
  return Math.max(5, Math.min(LONGEST_SWEEP_MS, Math.floor(shortest / 4)));
}

/** The age at which a sweep must act for `limitMs` to hold. */
export function dueAfter(limitMs: number, sweepMs: number): number {
  return Math.max(1, limitMs - sweepMs);
}
