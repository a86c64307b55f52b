import { createServer, type Server } from "node:http";
import { PrometheusExporter } from "@opentelemetry/exporter-prometheus";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { MeterProvider } from "@opentelemetry/sdk-metrics";

export type Metrics = {
  observeCall(call: { procedure: string; protocol: string; code: string; durationMs: number }): void;
  /** Reads a value each time somebody asks for the metrics. */
  watch(name: string, description: string, read: () => number): void;
  handler: Parameters<typeof createServer>[1];
};

/** Seconds. From a cached read to a login that waits in a full queue. */
const BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Metrics in Prometheus' text format. Labels are procedures, protocols and codes: sets that are closed. */
export function createMetrics(): Metrics {
  const exporter = new PrometheusExporter({ preventServerStart: true, prefix: "sello" });
  const resource = resourceFromAttributes({ "service.name": "sello" });
  const meter = new MeterProvider({ resource, readers: [exporter] }).getMeter("sello");
  const duration = meter.createHistogram("rpc_duration_seconds", {
    description: "How long calls took, by procedure, protocol and code.",
    advice: { explicitBucketBoundaries: BUCKETS_S },
  });
  return {
    observeCall({ durationMs, ...labels }) {
      duration.record(durationMs / 1000, labels);
    },
    watch(name, description, read) {
      meter.createObservableGauge(name, { description }).addCallback((result) => result.observe(read()));
    },
    handler(request, response) {
      if (request.url === "/metrics") exporter.getMetricsRequestHandler(request, response);
      else response.writeHead(404).end();
    },
  };
}

/** Serves the metrics on a port of their own, which is never the public one. */
export async function listenMetrics(metrics: Metrics, address: { host: string; port: number }): Promise<Server> {
  const server = createServer(metrics.handler);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(address.port, address.host, resolve);
  });
  server.unref();
  return server;
}
