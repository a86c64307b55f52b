import type { Socket } from "node:net";

export type Protocol = "http1" | "http2";

/** The HTTP/2 preface begins with it, and no HTTP/1 method does (RFC 9113, 3.4). */
const PREFACE = Buffer.from("PRI", "latin1");

/**
 * Reads just enough of a new clear-text connection to tell its protocol, at most three bytes' worth, and calls
 * `onProtocol` with the socket paused and every byte back in place. A socket that ends before is destroyed; one that
 * stays silent is the caller's to close.
 */
export function sniffProtocol(socket: Socket, onProtocol: (protocol: Protocol) => void): void {
  let seen: Buffer = Buffer.alloc(0);
  const giveUp = (): void => {
    socket.destroy();
  };

  // Bytes are kept here and put back once: unshift() while undecided would hand them out again, in a busy loop.
  const onData = (chunk: Buffer): void => {
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
    const begins = seen.subarray(0, PREFACE.length);
    const isPreface = begins.equals(PREFACE.subarray(0, begins.length));
    if (isPreface && begins.length < PREFACE.length) return;

    socket.off("data", onData).off("end", giveUp);
    socket.pause();
    socket.unshift(seen);
    onProtocol(isPreface ? "http2" : "http1");
  };
  socket.on("data", onData).on("end", giveUp);
}
