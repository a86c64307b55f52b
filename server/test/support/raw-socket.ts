import { connect } from "node:net";

export type RawExchange = { text: string; closed: boolean; ms: number };

/**
 * Writes bytes to a port and reads what comes back, until the server closes, `until` is found, or the time is over. For what no
 * HTTP library would send.
 */
export function exchange(
  url: string,
  bytes: string | Uint8Array,
  options: { until?: RegExp; withinMs?: number; end?: boolean } = {},
): Promise<RawExchange> {
  const { hostname, port } = new URL(url);
  const { until, withinMs = 2_000, end = false } = options;
  return new Promise((resolve) => {
    const start = performance.now();
    const socket = connect(Number(port), hostname);
    let text = "";
    const settle = (closed: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ text, closed, ms: performance.now() - start });
    };
    const timer = setTimeout(() => settle(false), withinMs);
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      if (until?.test(text) === true) settle(false);
    });
    socket.on("error", () => undefined);
    socket.on("close", () => settle(true));
    if (end) socket.end(bytes);
    else socket.write(bytes);
  });
}

/** Sends all of a request before it reads a byte of the answer, as a client does that does not expect to be refused. */
export async function uploadThenRead(url: string, bytes: Uint8Array): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname).pause();
  return new Promise((resolve) => {
    let text = "";
    socket.on("error", () => undefined);
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
    });
    socket.on("close", () => resolve(text));
    socket.write(bytes, () => socket.resume());
  });
}
