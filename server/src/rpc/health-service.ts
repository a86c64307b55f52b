import type { ServiceImpl } from "@connectrpc/connect";
import { type Health, HealthCheckResponse_ServingStatus as Status } from "@sello/gen/health/v1/health_pb";
import { AuthError } from "../domain/errors.ts";
import { toAuthError, toConnectError } from "./errors.ts";
import type { Readiness } from "./readiness.ts";

/** `grpc.health.v1.Health`, for the server as a whole (the empty name) and for each service by name. */
export function createHealthService(readiness: Readiness, services: string[]): ServiceImpl<typeof Health> {
  const known = new Set(["", ...services]);
  const statusOf = (ready: boolean) => (ready ? Status.SERVING : Status.NOT_SERVING);
  return {
    async check({ service }) {
      if (!known.has(service)) throw toConnectError(new AuthError("not_found"));
      return { status: statusOf(await readiness.isReady()) };
    },

    async list() {
      const now = statusOf(await readiness.isReady());
      return { statuses: Object.fromEntries([...known].map((name) => [name, { status: now }])) };
    },

    async *watch({ service }, { signal }) {
      let last: Status | undefined;
      try {
        for await (const ready of readiness.watch(signal)) {
          const now = known.has(service) ? statusOf(ready) : Status.SERVICE_UNKNOWN;
          if (now !== last) yield { status: now };
          last = now;
        }
      } catch (error) {
        throw toConnectError(toAuthError(error));
      }
    },
  };
}
