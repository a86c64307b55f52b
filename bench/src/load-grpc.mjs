import { once } from "node:events";
import { connect, constants } from "node:http2";
import { answersPerSecond } from "./load.mjs";

/** A gRPC message: no compression, its length, its bytes. @param {Uint8Array} message */
export function grpcFrame(message) {
  const frame = Buffer.alloc(5 + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  return frame;
}

/**
 * Unary gRPC calls a second over HTTP/2 with prior knowledge, framed by hand.
 * @param {{ port: number, path: string, headers: Record<string, string>, message: Uint8Array, sessions: number, streams: number, durationMs: number }} load
 */
export async function loadGrpc({ port, path, headers, message, sessions, streams, durationMs }) {
  const open = await Promise.all(Array.from({ length: sessions }, () => openSession(port)));
  const frame = grpcFrame(message);
  const request = {
    [constants.HTTP2_HEADER_METHOD]: "POST",
    [constants.HTTP2_HEADER_PATH]: path,
    "content-type": "application/grpc+proto",
    te: "trailers",
    ...headers,
  };
  try {
    return await answersPerSecond(
      Array.from({ length: streams }, (_, i) => async (again) => {
        let count = 0;
        for (; again(); count++) await call(open[i % sessions], request, frame);
        return count;
      }),
      durationMs,
    );
  } finally {
    for (const session of open) session.destroy();
  }
}

async function openSession(port) {
  const session = connect(`http://127.0.0.1:${port}`);
  await once(session, "connect");
  return session;
}

function call(session, headers, frame) {
  return new Promise((resolve, reject) => {
    const stream = session.request(headers);
    let size = 0;
    let status;
    stream.on("response", (response) => {
      status = response["grpc-status"];
    });
    stream.on("data", (chunk) => {
      size += chunk.length;
    });
    stream.on("trailers", (trailers) => {
      status = trailers["grpc-status"];
    });
    stream.on("error", reject);
    stream.on("close", () => {
      if (status === "0" && size > 5) resolve(undefined);
      else reject(new Error(`grpc-status ${status}, ${size} bytes`));
    });
    stream.end(frame);
  });
}
