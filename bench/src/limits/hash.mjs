/** The raw rate of the product's password hash: the same engine and parameters, a worker thread a core, and nothing else. */
import { availableParallelism } from "node:os";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { hashSync } from "@node-rs/argon2";
import { onAsk, ready, settings } from "../child.mjs";

if (isMainThread) {
  const workers = Array.from(
    { length: availableParallelism() },
    () => new Worker(new URL(import.meta.url), { workerData: settings.argon2 }),
  );
  onAsk(async (ms) => {
    const rates = workers.map(
      (worker) => new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject)),
    );
    for (const worker of workers) worker.postMessage(ms);
    return (await Promise.all(rates)).reduce((sum, rate) => sum + rate, 0);
  });
  ready();
} else {
  parentPort?.on("message", (ms) => {
    const start = performance.now();
    let count = 0;
    for (; performance.now() - start < ms; count++) hashSync("correct horse, nine staples", workerData);
    parentPort?.postMessage(count / ((performance.now() - start) / 1000));
  });
}
