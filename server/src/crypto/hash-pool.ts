import { Worker } from "node:worker_threads";
import { AuthError } from "../domain/errors.ts";
import type { ForeignHash } from "./foreign-hashes.ts";

/** What a worker computes. A pepper, where there is one, is already mixed into `password`. */
export type HashTask =
  | { kind: "hash"; password: Uint8Array; memoryKib: number; passes: number }
  | { kind: "verify"; hash: string; password: Uint8Array }
  | { kind: "verify-bcrypt"; hash: string; password: string }
  | { kind: "derive"; password: Uint8Array; salt: Uint8Array; memoryKib: number; passes: number }
  | { kind: "verify-foreign"; hash: ForeignHash; password: string };

/** A hash, whether one verifies, or a key. */
export type HashResult = string | boolean | Uint8Array;

export type HashPool = AsyncDisposable & {
  /** @throws AuthError `overloaded` at once when the queue is full. An aborted task leaves the queue. */
  run(task: HashTask, signal?: AbortSignal): Promise<HashResult>;
  /** How many tasks it holds at once, running and waiting. */
  capacity: number;
  stats(): { running: number; queued: number };
};

type Job = {
  task: HashTask;
  signal: AbortSignal | undefined;
  resolve(result: HashResult): void;
  reject(e: unknown): void;
};
type Reply = { result: HashResult } | { error: string };

const RETRY_AFTER_S = 1;

const WORKER = new URL("./hash-worker.js", import.meta.url);

/**
 * Worker threads that each compute one hash at a time, behind one bounded queue. Not libuv's pool: forty logins there made a
 * token wait for seconds. Not a general pool: those end a worker to abort its task, and an aborted login must cost nothing.
 * A worker that ends takes the job it had with it, and the next job starts another.
 */
export function createHashPool(options: { threads: number; maxQueue: number; worker?: URL }): HashPool {
  const idle: Worker[] = [];
  const jobs = new Map<Worker, Job>();
  const queue: Job[] = [];
  let spawned = 0;
  let closed = false;

  function spawn(): Worker {
    const worker = new Worker(options.worker ?? WORKER);
    let cause: unknown;
    worker.unref();
    spawned++;
    worker.on("message", (reply: Reply) => {
      const job = jobs.get(worker);
      jobs.delete(worker);
      idle.push(worker);
      if (job !== undefined && "error" in reply) job.reject(new Error(`hash worker: ${reply.error}`));
      else if (job !== undefined && "result" in reply) job.resolve(reply.result);
      startNext();
    });
    worker.on("error", (error) => {
      cause = error;
    });
    worker.on("exit", (code) => {
      spawned--;
      const job = jobs.get(worker);
      jobs.delete(worker);
      const position = idle.indexOf(worker);
      if (position >= 0) idle.splice(position, 1);
      job?.reject(
        closed ? new AuthError("unavailable") : new Error(`a hash worker ended with code ${code}`, { cause }),
      );
      startNext();
    });
    return worker;
  }

  function startNext(): void {
    while (!closed && queue.length > 0) {
      const worker = idle.pop() ?? (spawned < options.threads ? spawn() : undefined);
      if (worker === undefined) return;
      const job = queue.shift();
      if (job === undefined) return;
      jobs.set(worker, job);
      worker.postMessage(job.task);
    }
  }

  function forget(job: Job): void {
    const position = queue.indexOf(job);
    if (position < 0) return;
    queue.splice(position, 1);
    job.reject(job.signal?.reason);
  }

  return {
    capacity: options.threads + options.maxQueue,

    run(task, signal) {
      if (signal?.aborted) return Promise.reject(signal.reason);
      if (closed || (queue.length >= options.maxQueue && idle.length === 0 && spawned >= options.threads)) {
        return Promise.reject(new AuthError("overloaded", { retryAfterS: RETRY_AFTER_S }));
      }
      return new Promise((resolve, reject) => {
        const job: Job = { task, signal, resolve, reject };
        if (signal !== undefined) {
          const onAbort = () => forget(job);
          const settle = () => signal.removeEventListener("abort", onAbort);
          signal.addEventListener("abort", onAbort, { once: true });
          job.resolve = (result) => {
            settle();
            resolve(result);
          };
          job.reject = (error) => {
            settle();
            reject(error);
          };
        }
        queue.push(job);
        startNext();
      });
    },

    stats: () => ({ running: jobs.size, queued: queue.length }),

    async [Symbol.asyncDispose]() {
      closed = true;
      for (const job of queue.splice(0)) job.reject(new AuthError("unavailable"));
      await Promise.all([...idle, ...jobs.keys()].map((worker) => worker.terminate()));
    },
  };
}
