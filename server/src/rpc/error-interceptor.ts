import type { Interceptor, StreamRequest, UnaryRequest } from "@connectrpc/connect";
import type { Reason } from "../domain/errors.ts";
import type { Log } from "../telemetry/log.ts";
import { edgeKey } from "./edge.ts";
import { cancellationOf, isProtocolError, toAuthError, toConnectError } from "./errors.ts";
import { mapFailure } from "./streams.ts";

/** What the operator has to know of, and how loudly. Everything else is the caller's to know. */
const LOGGED: Partial<Record<Reason, { level: "error" | "warn"; message: string }>> = {
  internal: { level: "error", message: "a call failed" },
  unavailable: { level: "warn", message: "a store did not answer" },
};

/**
 * Lets only the closed set of errors out, of a stream as of a single answer. An unexpected one is logged with its cause and leaves
 * as `internal`.
 */
export function errorInterceptor(log: Log): Interceptor {
  return (next) => async (request) => {
    const edge = request.contextValues.get(edgeKey);
    const closed = (error: unknown) => closeError(error, { log, request });
    // The message of a call that streams is read only further in: until then, what fails may be the protocol's affair.
    edge.reached = !request.stream;
    try {
      const response = await next(request);
      edge.reached = true;
      if (!response.stream) return response;
      return { ...response, message: mapFailure<unknown>(response.message, closed) as typeof response.message };
    } catch (error) {
      if (!edge.reached && isProtocolError(error) && cancellationOf(error, request.signal) === undefined) throw error;
      edge.reached = true;
      throw closed(error);
    }
  };
}

function closeError(error: unknown, { log, request }: { log: Log; request: UnaryRequest | StreamRequest }): unknown {
  const cancellation = cancellationOf(error, request.signal);
  if (cancellation !== undefined) return cancellation;
  const authError = toAuthError(error);
  const entry = LOGGED[authError.reason];
  // What has words of its own is for the caller alone.
  if (entry !== undefined && authError.publicMessage === undefined) {
    log[entry.level](entry.message, {
      request_id: request.contextValues.get(edgeKey).client.requestId,
      procedure: `${request.service.typeName}/${request.method.name}`,
      error: authError.cause,
    });
  }
  return toConnectError(authError);
}
