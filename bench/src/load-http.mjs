import { once } from "node:events";
import { connect } from "node:net";
import { answersPerSecond } from "./load.mjs";

/** @typedef {{ status: number, headers: string, body: string }} Answer */
/** @typedef {{ method: string, path: string, headers?: Record<string, string>, body?: string }} Call */

/** The bytes of a request. @param {Call} call */
export function requestBytes({ method, path, headers = {}, body }) {
  const lines = [`${method} ${path} HTTP/1.1`, "host: 127.0.0.1"];
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  if (body !== undefined) lines.push(`content-length: ${Buffer.byteLength(body)}`);
  return Buffer.from(`${lines.join("\r\n")}\r\n\r\n${body ?? ""}`);
}

/** @param {string} path @param {unknown} body @param {Record<string, string>} [headers] */
export function jsonPost(path, body, headers = {}) {
  return requestBytes({
    method: "POST",
    path,
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
}

/** One connection that is kept, with one request on it at a time. A raw socket: the client must not be what is measured. */
export async function openConnection(port) {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  await once(socket, "connect");
  let received = "";
  /** @type {{ resolve(answer: Answer): void, reject(error: unknown): void } | undefined} */
  let waiting;
  const fail = (error) => waiting?.reject(error ?? new Error("the server closed the connection"));
  socket.setEncoding("latin1");
  socket.on("error", fail).on("close", () => fail());
  socket.on("data", (chunk) => {
    received = received === "" ? chunk : received + chunk;
    const answer = readAnswer(received);
    if (answer === undefined) return;
    received = "";
    const { resolve } = waiting;
    waiting = undefined;
    resolve(answer);
  });
  return {
    /** @param {Buffer} bytes @returns {Promise<Answer>} */
    send(bytes) {
      return new Promise((resolve, reject) => {
        waiting = { resolve, reject };
        socket.write(bytes);
      });
    },
    close: () => socket.destroy(),
  };
}

/** A whole answer, or undefined while some of it is missing. @param {string} text @returns {Answer | undefined} */
function readAnswer(text) {
  const headEnd = text.indexOf("\r\n\r\n");
  if (headEnd < 0) return undefined;
  const headers = text.slice(0, headEnd);
  const status = Number(headers.slice(9, 12));
  const length = /\r\ncontent-length: *(\d+)/i.exec(headers)?.[1];
  const rest = text.slice(headEnd + 4);
  if (length !== undefined) return rest.length < Number(length) ? undefined : { status, headers, body: rest };
  if (!/\r\ntransfer-encoding: *chunked/i.test(headers)) return { status, headers, body: "" };
  return rest.endsWith("0\r\n\r\n") ? { status, headers, body: unchunk(rest) } : undefined;
}

function unchunk(text) {
  let body = "";
  for (let at = 0; ; ) {
    const lineEnd = text.indexOf("\r\n", at);
    const size = Number.parseInt(text.slice(at, lineEnd), 16);
    if (size === 0) return body;
    body += text.slice(lineEnd + 2, lineEnd + 2 + size);
    at = lineEnd + 4 + size;
  }
}

/** One call on a connection of its own. @param {number} port @param {Buffer} bytes */
export async function callOnce(port, bytes) {
  const connection = await openConnection(port);
  try {
    return expectSuccess(await connection.send(bytes));
  } finally {
    connection.close();
  }
}

/** @param {Answer} answer */
export function expectSuccess(answer) {
  if (answer.status < 200 || answer.status > 299)
    throw new Error(`answered ${answer.status}: ${answer.body.slice(0, 300)}`);
  return answer;
}

/**
 * Requests a second over HTTP/1.1. `next` makes the request of a connection from the answer to its last one.
 * @param {{ port: number, connections: number, durationMs: number, next(connection: number, last: Answer | undefined): Buffer }} load
 */
export async function loadHttp({ port, connections, durationMs, next }) {
  const open = await Promise.all(Array.from({ length: connections }, () => openConnection(port)));
  try {
    return await answersPerSecond(
      open.map((connection, i) => async (again) => {
        let count = 0;
        let last;
        while (again()) {
          last = expectSuccess(await connection.send(next(i, last)));
          count++;
        }
        // The last answer matters to those who continue a chain.
        if (last !== undefined) next(i, last);
        return count;
      }),
      durationMs,
    );
  } finally {
    for (const connection of open) connection.close();
  }
}
