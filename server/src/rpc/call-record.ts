import type { DescMethod } from "@bufbuild/protobuf";
import type { Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Edge } from "./edge.ts";

export type RecordCall = (call: { method: DescMethod; edge: Edge; code: string; durationMs: number }) => void;

/** One log line and one measurement a call. Neither ever sees a message, a header or a token. */
export function createCallRecord(log: Log, metrics: Metrics): RecordCall {
  return ({ method, edge, code, durationMs }) => {
    const procedure = `${method.parent.typeName}/${method.name}`;
    metrics.observeCall({ procedure, protocol: edge.protocol, code, durationMs });
    log.info("call", {
      request_id: edge.client.requestId,
      procedure,
      protocol: edge.protocol,
      code,
      duration_ms: Math.round(durationMs * 1000) / 1000,
      ip: edge.client.ip,
      ...(edge.bearer && { user_id: edge.bearer.user.id }),
      ...(edge.service && { service: edge.service.name }),
    });
  };
}
