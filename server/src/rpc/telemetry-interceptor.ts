import type { Interceptor } from "@connectrpc/connect";
import { AuthError } from "../domain/errors.ts";
import type { Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { edgeKey } from "./edge.ts";
import { cancellationOf } from "./errors.ts";

/** One log line and one measurement a call. Neither ever sees a message, a header or a token. */
export function telemetryInterceptor(log: Log, metrics: Metrics): Interceptor {
  return (next) => async (request) => {
    const start = performance.now();
    const edge = request.contextValues.get(edgeKey);
    const procedure = `${request.service.typeName}/${request.method.name}`;
    let code = "ok";
    try {
      return await next(request);
    } catch (error) {
      code = codeOf(error, request.signal);
      throw error;
    } finally {
      const durationMs = performance.now() - start;
      metrics.observeCall({ procedure, protocol: edge.protocol, code, durationMs });
      log.info("call", {
        request_id: edge.client.requestId,
        procedure,
        protocol: edge.protocol,
        code,
        duration_ms: Math.round(durationMs * 1000) / 1000,
        ip: edge.client.ip,
        ...(edge.bearer && { user_id: edge.bearer.user.id }),
      });
    }
  };
}

function codeOf(error: unknown, signal: AbortSignal): string {
  if (error instanceof AuthError) return error.reason;
  return cancellationOf(error, signal) === undefined ? "internal" : "cancelled";
}
