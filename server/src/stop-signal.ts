import type { Log } from "./telemetry/log.ts";

/** npm passes on a Ctrl-C that the terminal has sent already: signals this close together are one. */
const SAME_SIGNAL_MS = 1_000;

/** Stops once on SIGINT or SIGTERM. Somebody who asks again gets out at once. */
export function onStopSignal(stop: () => Promise<void>, log: Log): void {
  let stoppingSince: number | undefined;
  const onSignal = () => {
    if (stoppingSince !== undefined) {
      if (performance.now() - stoppingSince > SAME_SIGNAL_MS) process.exit(1);
      return;
    }
    stoppingSince = performance.now();
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
