// JavaScript, because a worker thread loads this file by itself: from src under the test runner, from dist in production.
import { pbkdf2Sync, scryptSync, timingSafeEqual } from "node:crypto";
import { setPriority } from "node:os";
import { parentPort } from "node:worker_threads";
import bcrypt from "bcryptjs";

/** @typedef {import("./hash-pool.ts").HashTask} HashTask */
/** @typedef {{ hash(p: Uint8Array, m: number, t: number): string | Promise<string>, verify(h: string, p: Uint8Array): boolean | Promise<boolean>, derive(p: Uint8Array, salt: Uint8Array, m: number, t: number): Buffer | Promise<Buffer> }} Engine */

/** Of a derived key. */
const KEY_BYTES = 32;
/** @typedef {import("./foreign-hashes.ts").ForeignHash} ForeignHash */

/** Of 19, which would leave hashes nothing beside a busy neighbour. Each step is a tenth of the share of a core. */
const NICENESS = 10;

yieldToOthers();
const engine = await loadEngine();

/** @returns {Promise<Engine>} the faster engine where it is installed; the hashes of each verify with the other. */
async function loadEngine() {
  try {
    const { hashRawSync, hashSync, verifySync } = await import("@node-rs/argon2");
    const argon2id = { algorithm: 2, parallelism: 1 };
    return {
      hash: (password, memoryCost, timeCost) => hashSync(password, { ...argon2id, memoryCost, timeCost }),
      verify: (hash, password) => verifySync(hash, password),
      derive: (password, salt, memoryCost, timeCost) =>
        hashRawSync(password, { ...argon2id, memoryCost, timeCost, salt, outputLen: KEY_BYTES }),
    };
  } catch {
    const { default: argon2 } = await import("argon2");
    const argon2id = { type: argon2.argon2id, parallelism: 1 };
    return {
      hash: (password, memoryCost, timeCost) =>
        argon2.hash(Buffer.from(password), { ...argon2id, memoryCost, timeCost }),
      verify: (hash, password) => argon2.verify(hash, Buffer.from(password)),
      derive: (password, salt, memoryCost, timeCost) => {
        const parameters = { ...argon2id, memoryCost, timeCost, salt: Buffer.from(salt), hashLength: KEY_BYTES };
        return argon2.hash(Buffer.from(password), { ...parameters, raw: true });
      },
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
  if (task.kind === "derive") return engine.derive(task.password, task.salt, task.memoryKib, task.passes);
  if (task.kind === "verify-foreign") return verifyForeign(task.hash, task.password);
  return bcrypt.compareSync(task.password, task.hash);
}

/** Sends a key without leaving a copy of it here. @param {Buffer} key */
function handOver(key) {
  const result = Uint8Array.from(key);
  key.fill(0);
  parentPort?.postMessage({ result }, [result.buffer]);
}

/** @param {ForeignHash} hash @param {string} password */
function verifyForeign(hash, password) {
  const { salt, key } = hash;
  return timingSafeEqual(derive(hash, Buffer.from(password, "utf8"), { salt, length: key.length }), key);
}

/** @param {ForeignHash} hash @param {Buffer} password @param {{ salt: Uint8Array, length: number }} output */
function derive(hash, password, { salt, length }) {
  if (hash.kind === "pbkdf2") return pbkdf2Sync(password, salt, hash.iterations, length, hash.digest);
  const { cost, blockSize, parallelization } = hash;
  // What it may cost was bounded before it came here; Node's own bound is 32 MiB.
  const maxmem = 128 * blockSize * (cost + parallelization) + 2 ** 20;
  return scryptSync(password, salt, length, { cost, blockSize, parallelization, maxmem });
}

parentPort?.on("message", async (/** @type {HashTask} */ task) => {
  try {
    const result = await compute(task);
    if (typeof result === "object") handOver(result);
    else parentPort?.postMessage({ result });
  } catch (error) {
    parentPort?.postMessage({ error: error instanceof Error ? error.message : "unknown" });
  }
});
