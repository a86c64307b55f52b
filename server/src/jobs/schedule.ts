import type { Log } from "../telemetry/log.ts";

export type Job = { name: string; everyMs: number; run(): Promise<void> };

/** A few jobs at once on many replicas would meet: each begins somewhere in the first tenth of its interval. */
const SPREAD = 0.1;

/** Runs each job again and again, one run at a time. A run that fails is logged, and the next one tries again. */
export function schedule(jobs: Job[], log: Log): AsyncDisposable {
  const timers = new Set<NodeJS.Timeout>();
  const running = new Set<Promise<void>>();
  let stopped = false;

  const plan = (job: Job, delayMs: number) => {
    if (stopped) return;
    const timer = setTimeout(() => {
      timers.delete(timer);
      const run = job
        .run()
        .catch((error: unknown) => log.error("a job failed", { detail: job.name, error }))
        .finally(() => {
          running.delete(run);
          plan(job, job.everyMs);
        });
      running.add(run);
    }, delayMs);
    timer.unref();
    timers.add(timer);
  };
  for (const job of jobs) plan(job, job.everyMs * SPREAD * Math.random());

  return {
    async [Symbol.asyncDispose]() {
      stopped = true;
      for (const timer of timers) clearTimeout(timer);
      await Promise.all(running);
    },
  };
}
