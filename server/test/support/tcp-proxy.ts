import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A wire that can be cut, or go silent: then it still takes connections and bytes, and passes nothing on. */
export type TcpProxy = AsyncDisposable & {
  port: number;
  /** Passes nothing on from now on, in either direction, and lets nobody know. */
  swallow(): void;
  /** Closes every connection, and refuses new ones. */
  cut(): void;
  /** Serves again. What was swallowed is lost, and so are the connections it was lost on. */
  restore(): void;
};

export async function startTcpProxy(target: { host: string; port: number }): Promise<TcpProxy> {
  let mode: "pass" | "swallow" | "cut" = "pass";
  const sockets = new Set<Socket>();
  const lost = new Set<Socket>();
  const track = (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => {
      sockets.delete(socket);
      lost.delete(socket);
    });
  };
  const server = createServer((near) => {
    track(near);
    if (mode === "cut") {
      near.resetAndDestroy();
      return;
    }
    if (mode === "swallow") {
      lost.add(near);
      near.resume();
      return;
    }
    const far = connect(target);
    track(far);
    link(near, far);
    link(far, near);
  });
  const link = (from: Socket, to: Socket) => {
    from.on("data", (bytes) => {
      if (lost.has(from)) return;
      if (mode === "pass") to.write(bytes);
      else lost.add(from);
    });
    from.on("close", () => to.destroy());
  };
  const closeAll = () => {
    for (const socket of sockets) socket.destroy();
  };
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    swallow() {
      mode = "swallow";
    },
    cut() {
      mode = "cut";
      closeAll();
    },
    restore() {
      mode = "pass";
    },
    async [Symbol.asyncDispose]() {
      closeAll();
      server.close();
      await once(server, "close");
    },
  };
}

/** A proxy before the server that a URL names, and the URL of the same thing through it. */
export async function proxyOf(url: string, defaultPort: number): Promise<{ proxy: TcpProxy; url: string }> {
  const through = new URL(url);
  const proxy = await startTcpProxy({ host: through.hostname, port: Number(through.port || defaultPort) });
  through.hostname = "127.0.0.1";
  through.port = String(proxy.port);
  return { proxy, url: through.href };
}
