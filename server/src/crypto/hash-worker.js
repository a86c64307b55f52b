// JavaScript, because a worker thread loads this file by itself: from src under the test runner, from dist in production.
import { setPriority } from "node:os";
import { parentPort } from "node:worker_threads";
import bcrypt from "bcryptjs";

/** @typedef {import("./hash-pool.ts").HashTask} HashTask */
/** @typedef {{ hash(p: Uint8Array, m: number, t: number): string | Promise<string>, verify(h: string, p: Uint8Array): boolean | Promise<boolean> }} Engine */

/** Of 19, which would leave hashes nothing beside a busy neighbour. Each step is a tenth of the share of a core. */
const NICENESS = 10;

yieldToOthers();
const engine = await loadEngine();

/** @returns {Promise<Engine>} the faster engine where it is installed; the hashes of each verify with the other. */
async function loadEngine() {
  try {
    const { hashSync, verifySync } = await import("@node-rs/argon2");
    return {
      hash: (password, memoryCost, timeCost) =>
        hashSync(password, { algorithm: 2, memoryCost, timeCost, parallelism: 1 }),
      verify: (hash, password) => verifySync(hash, password),
    };
  } catch {
    const { default: argon2 } = await import("argon2");
    return {
      hash: (password, memoryCost, timeCost) =>
        argon2.hash(Buffer.from(password), { type: argon2.argon2id, memoryCost, timeCost, parallelism: 1 }),
      verify: (hash, password) => argon2.verify(hash, Buffer.from(password)),
    };
  }
}

/**
 * Lets the event loop and the database go first: a core that they need is not kept from them by hashes, which take all there
 * are. On Linux a priority belongs to a thread, and 0 is the one that asks; elsewhere it would be that of the whole process.
 */
function yieldToOthers() {
  if (process.platform !== "linux") return;
  try {
    setPriority(0, NICENESS);
  } catch {
    // A sandbox may forbid it. Then hashes compete as they did.
  }
}

/** @param {HashTask} task */
function compute(task) {
  if (task.kind === "hash") return engine.hash(task.password, task.memoryKib, task.passes);
  if (task.kind === "verify") return engine.verify(task.hash, task.password);
  return bcrypt.compareSync(task.password, task.hash);
}

parentPort?.on("message", async (/** @type {HashTask} */ task) => {
  try {
    parentPort?.postMessage({ result: await compute(task) });
  } catch (error) {
    parentPort?.postMessage({ error: error instanceof Error ? error.message : "unknown" });
  }
});
