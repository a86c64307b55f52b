import type { Interceptor } from "@connectrpc/connect";
import type { Reason } from "../domain/errors.ts";
import type { Log } from "../telemetry/log.ts";
import { edgeKey } from "./edge.ts";
import { cancellationOf, toAuthError, toConnectError } from "./errors.ts";

/** What the operator has to know of, and how loudly. Everything else is the caller's to know. */
const LOGGED: Partial<Record<Reason, { level: "error" | "warn"; message: string }>> = {
  internal: { level: "error", message: "a call failed" },
  unavailable: { level: "warn", message: "a store did not answer" },
};

/** Lets only the closed set of errors out. An unexpected one is logged with its cause and leaves as `internal`. */
export function errorInterceptor(log: Log): Interceptor {
  return (next) => async (request) => {
    const edge = request.contextValues.get(edgeKey);
    edge.reached = true;
    try {
      return await next(request);
    } catch (error) {
      const cancellation = cancellationOf(error, request.signal);
      if (cancellation !== undefined) throw cancellation;
      const authError = toAuthError(error);
      const entry = LOGGED[authError.reason];
      if (entry !== undefined) {
        log[entry.level](entry.message, {
          request_id: edge.client.requestId,
          procedure: `${request.service.typeName}/${request.method.name}`,
          error: authError.cause,
        });
      }
      throw toConnectError(authError);
    }
  };
}
