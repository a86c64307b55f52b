import type { Socket } from "node:net";

/** The accepted connections that have not come to a protocol yet. */
export type OpeningConnections = {
  /** Counts from accept; destroys the socket when `done` is not called in time. */
  add(socket: Socket): void;
  /** Takes the connection off the list; over TLS it is given the encrypted socket, which is another object. */
  done(socket: Socket): void;
  destroyAll(): void;
};

/**
 * One deadline for the first bytes in clear text and for the TLS handshake. Node's `handshakeTimeout` is put off by
 * each byte that arrives, and leaves the socket open.
 */
export function createOpeningConnections(timeoutMs: number): OpeningConnections {
  const opening = new Map<string, { socket: Socket; timer: NodeJS.Timeout }>();

  const remove = (peer: string): void => {
    clearTimeout(opening.get(peer)?.timer);
    opening.delete(peer);
  };

  return {
    add(socket) {
      const peer = peerOf(socket);
      opening.set(peer, { socket, timer: setTimeout(() => socket.destroy(), timeoutMs) });
      socket.once("close", () => {
        if (opening.get(peer)?.socket === socket) remove(peer);
      });
    },
    done(socket) {
      remove(peerOf(socket));
    },
    destroyAll() {
      for (const { socket } of opening.values()) socket.destroy();
    },
  };
}

/** Node does not tell which accepted socket an encrypted one was made of; their peer is the same and has no other. */
function peerOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}
