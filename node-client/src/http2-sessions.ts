import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type ClientSessionRequestOptions,
  connect,
  constants,
  type OutgoingHttpHeaders,
  type SecureClientSessionOptions,
} from "node:http2";

/** What connect-node asks for its HTTP/2 connection. */
export type Http2Sessions = {
  authority: string;
  request(
    method: string,
    path: string,
    headers: OutgoingHttpHeaders,
    options: Omit<ClientSessionRequestOptions, "signal">,
  ): Promise<ClientHttp2Stream>;
  notifyResponseByteRead(stream: ClientHttp2Stream): void;
  /** Ends the connection and every request on it. */
  close(): void;
};

const CONNECT_TIMEOUT_MS = 2_000;
/** A connection is asked for a sign of life this often, */
const PING_INTERVAL_MS = 5_000;
/** and given up when none comes. */
const PING_TIMEOUT_MS = 2_000;

/**
 * One HTTP/2 connection, opened when a request needs it, replaced when it was lost or the server lets it run out (GOAWAY). In place
 * of connect-node's own manager, whose ping ends the process when it meets a connection that is just over (connect-es #1795).
 */
export function createHttp2Sessions(authority: string, options: SecureClientSessionOptions = {}): Http2Sessions {
  let current: Promise<ClientHttp2Session> | undefined;
  const open = new Set<ClientHttp2Session>();

  function start(): Promise<ClientHttp2Session> {
    const session = connect(authority, options);
    open.add(session);
    const starting = whenConnected(session);
    const forget = () => {
      if (current === starting) current = undefined;
    };
    session.on("error", forget);
    session.on("goaway", forget);
    session.on("close", () => {
      forget();
      open.delete(session);
    });
    starting.then(keepAlive, forget);
    return starting;
  }

  return {
    authority,
    async request(method, path, headers, requestOptions) {
      for (;;) {
        current ??= start();
        const session = await current;
        if (!session.closed && !session.destroyed) {
          return session.request({ ...headers, ":method": method, ":path": path }, requestOptions);
        }
        current = undefined;
      }
    },
    notifyResponseByteRead() {},
    close() {
      for (const session of open) session.destroy(undefined, constants.NGHTTP2_CANCEL);
    },
  };
}

function whenConnected(session: ClientHttp2Session): Promise<ClientHttp2Session> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => session.destroy(new Error("no connection in time")), CONNECT_TIMEOUT_MS);
    session.once("connect", () => {
      clearTimeout(timer);
      resolve(session);
    });
    session.once("error", reject);
    session.once("close", () => {
      clearTimeout(timer);
      reject(new Error("the connection was closed"));
    });
  });
}

function keepAlive(session: ClientHttp2Session): void {
  let overdue: NodeJS.Timeout | undefined;
  const ping = () => {
    if (session.closed || session.destroyed || overdue !== undefined) return;
    overdue = setTimeout(() => session.destroy(new Error("no sign of life in time")), PING_TIMEOUT_MS).unref();
    session.ping(() => {
      clearTimeout(overdue);
      overdue = undefined;
    });
  };
  const interval = setInterval(ping, PING_INTERVAL_MS).unref();
  session.once("close", () => {
    clearInterval(interval);
    clearTimeout(overdue);
  });
}
