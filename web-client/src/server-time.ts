/** The server's time. The device's clock may be wrong, and may be set while the page is open. */
export type ServerTime = {
  /** Unix seconds. */
  now(): number;
  /** Reads the time of an answer that no cache held back. */
  note(headers: Headers): void;
};

/** `monotonicMs` goes on between two answers. Before the first one the device's clock is all there is. */
export function createServerTime(monotonicMs: () => number): ServerTime {
  let offset: number | undefined;
  return {
    now: () => (offset === undefined ? Date.now() : monotonicMs() + offset) / 1000,
    note(headers) {
      const date = Date.parse(headers.get("date") ?? "");
      if (!Number.isNaN(date)) offset = date - monotonicMs();
    },
  };
}
