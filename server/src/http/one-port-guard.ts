import type { IncomingMessage, ServerResponse } from "node:http";
import { constants, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import { readTarget } from "./one-port-target.ts";
import { REQUEST_ID_HEADER, sendRawError } from "./raw-errors.ts";

export type AnyRequest = IncomingMessage | Http2ServerRequest;
export type AnyResponse = ServerResponse | Http2ServerResponse;
export type RequestListener = (req: AnyRequest, res: AnyResponse) => void | Promise<void>;

/** Told of everything unexpected, with the place it came from and the request's id where it has one. Must not throw. */
export type OnError = (error: unknown, where: string, requestId?: string) => void;

/**
 * Calls the listener so that no request can end the process: a request without a usable target or host is answered
 * 400 in its stead, and what the listener throws or rejects with is reported and answered 500. When its response has
 * begun, the response is cut off, so that a client never takes half an answer for a whole one.
 */
export function guardListener(
  listener: RequestListener,
  onError: OnError,
): (req: AnyRequest, res: AnyResponse) => void {
  return (req, res) => {
    const fail = (error: unknown): void => {
      onError(error, "request listener", requestIdOf(res));
      try {
        if (res.headersSent) abort(res);
        else sendRawError(res, "internal");
      } catch (failure) {
        onError(failure, "answering for a failed request listener");
        abort(res);
      }
    };
    if (!readTarget(req)) return sendRawError(res, "invalid_request");
    try {
      listener(req, res)?.catch(fail);
    } catch (error) {
      fail(error);
    }
  };
}

function requestIdOf(res: AnyResponse): string | undefined {
  const id = res.getHeader(REQUEST_ID_HEADER);
  return typeof id === "string" ? id : undefined;
}

function abort(res: AnyResponse): void {
  if (res.writableFinished) return;
  if ("stream" in res) res.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  else res.destroy();
}
