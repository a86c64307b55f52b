import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { dueAfter, type Limits } from "./one-port-limits.ts";

export type StreamWatch = {
  /**
   * Resets the stream (CANCEL) when it is over its time. False when the reset does not leave either: then nobody reads
   * the connection. `now` is performance.now().
   */
  sweep(now: number): boolean;
};

/** gRPC, gRPC-Web and Connect's streaming calls. Connect's unary calls are ordinary requests. */
const STREAMING_TYPE = /^application\/(?:grpc|connect\+)/i;

/**
 * The times of one HTTP/2 stream, which Node does not keep.
 *
 * 1. The request must be complete within `requestTimeoutMs`. A call of a streaming content type is freed from that
 *    once its response headers are sent: the listener has then read a whole message and chosen to answer, which a
 *    unary body that arrives byte by byte never lets it do.
 * 2. A response must not wait for its reader longer than `writeTimeoutMs`. Node's own timer is put off by whatever
 *    else the connection sends, so that a client which opens no window for one stream can hold it for ever.
 * 3. A response that was begun ends after `streamIdleMs` without a byte in either direction.
 *
 * Between a complete request and the first byte of its response the listener has all the time it wants.
 */
export function watchStream(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  limits: Limits,
  sweepMs: number,
): StreamWatch {
  const requestDue = dueAfter(limits.requestTimeoutMs, sweepMs);
  const writeDue = dueAfter(limits.writeTimeoutMs, sweepMs);
  const mayStream = STREAMING_TYPE.test(headers["content-type"] ?? "");
  const openedAt = performance.now();
  let isComplete = stream.endAfterHeaders;
  let waiting = 0;
  let progressAt = openedAt;
  let hasIdleTimer = false;
  let hasDrainListener = false;
  let closedAt: number | undefined;
  const cancel = (): void => stream.close(constants.NGHTTP2_CANCEL);

  const isSlowRequest = (now: number): boolean => {
    if (isComplete || now - openedAt < requestDue || (mayStream && stream.headersSent)) return false;
    isComplete = stream.state.state === constants.NGHTTP2_STREAM_STATE_HALF_CLOSED_REMOTE;
    return !isComplete;
  };

  const isSlowReader = (now: number): boolean => {
    // An ended response keeps its stream open until its last frame is written.
    const isWaiting = stream.writableLength > 0 || (stream.headersSent && stream.writableEnded);
    if (!isWaiting || stream.writableLength < waiting) progressAt = now;
    waiting = stream.writableLength;
    if (isWaiting && !hasDrainListener) {
      hasDrainListener = true;
      // One large chunk after another may keep the length at every look as it was.
      stream.on("drain", () => {
        progressAt = performance.now();
      });
    }
    return now - progressAt >= writeDue;
  };

  const isLeaving = (now: number): boolean => {
    closedAt ??= now;
    if (now - closedAt < limits.lingerMs) return true;
    // Node keeps a stream whose request body nobody reads to its end.
    stream.destroy();
    return stream.rstCode === constants.NGHTTP2_NO_ERROR;
  };

  return {
    sweep(now) {
      if (stream.closed) return isLeaving(now);
      if (stream.headersSent && !hasIdleTimer) {
        hasIdleTimer = true;
        stream.setTimeout(limits.streamIdleMs, cancel);
      }
      if (isSlowRequest(now) || isSlowReader(now)) cancel();
      return true;
    },
  };
}
