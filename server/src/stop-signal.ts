import type { Log } from "./telemetry/log.ts";

/** Stops once on SIGINT or SIGTERM, and leaves at once on the second of them. */
export function onStopSignal(stop: () => Promise<void>, log: Log): void {
  let stopping = false;
  const onSignal = () => {
    if (stopping) process.exit(1);
    stopping = true;
    stop()
      .then(() => process.exit(0))
      .catch((error: unknown) => {
        log.error("stopping failed", { error });
        process.exit(1);
      });
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
}
