import { setTimeout as wait } from "node:timers/promises";
import type { ServiceImpl } from "@connectrpc/connect";
import { type Health, HealthCheckResponse_ServingStatus as Status } from "@sello/gen/health/v1/health_pb";
import { AuthError } from "../domain/errors.ts";
import { toConnectError } from "./errors.ts";

/** How soon a watcher hears of a change. */
const WATCH_MS = 1_000;

/** `grpc.health.v1.Health`, for the server as a whole (the empty name) and for each service by name. */
export function createHealthService(isReady: () => Promise<boolean>, services: string[]): ServiceImpl<typeof Health> {
  const known = new Set(["", ...services]);
  const status = async () => ((await isReady()) ? Status.SERVING : Status.NOT_SERVING);
  return {
    async check({ service }) {
      if (!known.has(service)) throw toConnectError(new AuthError("not_found"));
      return { status: await status() };
    },

    async list() {
      const now = await status();
      return { statuses: Object.fromEntries([...known].map((name) => [name, { status: now }])) };
    },

    async *watch({ service }, context) {
      let last: Status | undefined;
      while (!context.signal.aborted) {
        const now = known.has(service) ? await status() : Status.SERVICE_UNKNOWN;
        if (now !== last) yield { status: now };
        last = now;
        await wait(WATCH_MS, undefined, { signal: context.signal }).catch(() => undefined);
      }
    },
  };
}
