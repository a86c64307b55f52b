import type { Interceptor } from "@connectrpc/connect";
import { AuthError } from "../domain/errors.ts";
import type { RecordCall } from "./call-record.ts";
import { edgeKey } from "./edge.ts";
import { cancellationOf, isProtocolError } from "./errors.ts";
import { watchEnd } from "./streams.ts";

/** Records how each call ended, and how long it took. A stream has ended when its last message was sent. */
export function telemetryInterceptor(record: RecordCall): Interceptor {
  return (next) => async (request) => {
    const start = performance.now();
    const edge = request.contextValues.get(edgeKey);
    const { method, signal } = request;
    const end = (code: string) => record({ method, edge, code, durationMs: performance.now() - start });
    try {
      const response = await next(request);
      if (response.stream) {
        const message = watchEnd<unknown>(response.message, (ended) =>
          end(ended.how === "failed" ? codeOf(ended.error, signal) : ended.how === "left" ? "cancelled" : "ok"),
        );
        return { ...response, message: message as typeof response.message };
      }
      end("ok");
      return response;
    } catch (error) {
      end(codeOf(error, signal));
      throw error;
    }
  };
}

function codeOf(error: unknown, signal: AbortSignal): string {
  if (error instanceof AuthError) return error.reason;
  if (cancellationOf(error, signal) !== undefined) return "cancelled";
  return isProtocolError(error) ? "invalid_request" : "internal";
}
