import { appendFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { createHashPool, type HashPool, type HashTask } from "../src/crypto/hash-pool.ts";

const QUICK: HashTask = { kind: "hash", password: Buffer.from("password"), memoryKib: 64, passes: 1 };
/** Some 200 ms of work. */
const SLOW: HashTask = { kind: "hash", password: Buffer.from("password"), memoryKib: 65_536, passes: 4 };

const reasonOf = (job: Promise<unknown>) =>
  job.then(
    () => "done",
    (error) => error.reason ?? error.message,
  );
const times = <T>(count: number, make: () => T) => Array.from({ length: count }, make);

function openPool(options: Parameters<typeof createHashPool>[0]): HashPool {
  const pool = createHashPool(options);
  onTestFinished(() => pool[Symbol.asyncDispose]());
  return pool;
}

/** A worker of this text. Its tasks are of bcrypt's kind, which carries two texts. */
const workerOf = (code: string) =>
  new URL(`data:text/javascript,${encodeURIComponent(`import { parentPort } from "node:worker_threads";${code}`)}`);
const taskFor = (text: string): HashTask => ({ kind: "verify-bcrypt", hash: text, password: "" });

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "sello-pool-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

/** As many jobs as it has threads run at once, as many wait as its queue holds, and all of them end. */
async function expectFullCapacity(pool: HashPool, { threads, maxQueue }: { threads: number; maxQueue: number }) {
  const jobs = times(threads + maxQueue, () => pool.run(QUICK));
  expect(pool.stats()).toStrictEqual({ running: threads, queued: maxQueue });
  expect(await reasonOf(pool.run(QUICK))).toBe("overloaded");
  expect((await Promise.all(jobs)).every((hash) => String(hash).startsWith("$argon2id$"))).toBe(true);
  expect(pool.stats()).toStrictEqual({ running: 0, queued: 0 });
}

describe("a full pool", () => {
  const size = { threads: 2, maxQueue: 3 };

  test("answers overloaded within 50 ms, says when to come back, and does all that it took", async () => {
    const pool = openPool(size);
    const taken = times(pool.capacity, () => pool.run(SLOW));
    for (let i = 0; i < 20; i++) {
      const start = performance.now();
      await expect(pool.run(QUICK)).rejects.toMatchObject({ name: "AuthError", reason: "overloaded", retryAfterS: 1 });
      expect(performance.now() - start).toBeLessThan(50);
    }
    expect(pool.stats()).toStrictEqual({ running: 2, queued: 3 });
    expect(await Promise.all(taken.map(reasonOf))).toStrictEqual(times(5, () => "done"));
    await expectFullCapacity(pool, size);
  });

  test("takes one more as soon as one is done", async () => {
    const pool = openPool({ threads: 1, maxQueue: 1 });
    const first = pool.run(QUICK);
    const second = pool.run(QUICK);
    expect(await reasonOf(pool.run(QUICK))).toBe("overloaded");
    await first;
    expect(await Promise.all([second, pool.run(QUICK)].map(reasonOf))).toStrictEqual(["done", "done"]);
  });

  test("without a queue takes as many as it has threads", async () => {
    await expectFullCapacity(openPool({ threads: 2, maxQueue: 0 }), { threads: 2, maxQueue: 0 });
  });
});

describe("an aborted job", () => {
  const size = { threads: 2, maxQueue: 4 };

  test("that waits is rejected at once, makes room, and is never run", async () => {
    const pool = openPool(size);
    const running = times(2, () => pool.run(SLOW));
    const abort = new AbortController();
    const waiting = times(4, () => pool.run(SLOW, abort.signal));
    expect(await reasonOf(pool.run(QUICK))).toBe("overloaded");
    abort.abort(new Error("gone"));
    expect(pool.stats()).toStrictEqual({ running: 2, queued: 0 });
    expect(await Promise.all(waiting.map(reasonOf))).toStrictEqual(times(4, () => "gone"));
    const next = times(4, () => pool.run(QUICK));
    expect(await Promise.all([...running, ...next].map(reasonOf))).toStrictEqual(times(6, () => "done"));
    await expectFullCapacity(pool, size);
  });

  test("that runs keeps its thread until it is done, and no longer", async () => {
    const pool = openPool(size);
    const abort = new AbortController();
    const running = times(2, () => pool.run(SLOW, abort.signal));
    abort.abort(new Error("gone"));
    expect(pool.stats()).toStrictEqual({ running: 2, queued: 0 });
    await Promise.allSettled(running);
    await expectFullCapacity(pool, size);
  });

  test("that was aborted before it came is not taken", async () => {
    const pool = openPool(size);
    expect(await reasonOf(pool.run(QUICK, AbortSignal.abort(new Error("gone"))))).toBe("gone");
    expect(pool.stats()).toStrictEqual({ running: 0, queued: 0 });
  });

  test("among many others costs nobody else anything, whenever it is aborted", async () => {
    const pool = openPool({ threads: 2, maxQueue: 100 });
    const aborts = times(50, () => new AbortController());
    const aborted = aborts.map(({ signal }) => reasonOf(pool.run(QUICK, signal)));
    const others = aborts.map((abort) => pool.run(QUICK).then(() => abort.abort(new Error("gone"))));
    for (const abort of aborts.slice(25)) abort.abort(new Error("gone"));
    expect((await Promise.all(others.map(reasonOf))).every((outcome) => outcome === "done")).toBe(true);
    const outcomes = await Promise.all(aborted);
    expect(outcomes.slice(25)).toStrictEqual(times(25, () => "gone"));
    await expectFullCapacity(pool, { threads: 2, maxQueue: 100 });
  });
});

describe("a worker that crashes", () => {
  const FRAGILE = workerOf(`
    const crashes = {
      throw() { throw new Error("out of order"); },
      reject() { Promise.reject(new Error("out of order")); },
      exit() { process.exit(7); },
    };
    const answer = (result) => parentPort.postMessage({ result });
    parentPort.on("message", ({ hash }) => (crashes[hash] ?? answer)(hash));`);

  test.each([
    ["throw", 1, "out of order"],
    ["reject", 1, "out of order"],
    ["exit", 7, undefined],
  ])("by a %s fails its job with its code and cause, and others go on", async (kind, code, cause) => {
    const pool = openPool({ threads: 2, maxQueue: 10, worker: FRAGILE });
    const jobs = ["a", kind, "b", "c", kind, "d", kind].map((text) => pool.run(taskFor(text)));
    const outcomes = await Promise.allSettled(jobs);
    const message = `a hash worker ended with code ${code}`;
    const failed = outcomes.filter((outcome) => outcome.status === "rejected").map(({ reason }) => reason);
    expect(failed.map((error) => [error.message, error.cause?.message])).toStrictEqual(
      times(3, () => [message, cause]),
    );
    const done = outcomes.filter((outcome) => outcome.status === "fulfilled").map(({ value }) => value);
    expect(done).toStrictEqual(["a", "b", "c", "d"]);
    expect(pool.stats()).toStrictEqual({ running: 0, queued: 0 });
  });

  test("is replaced: afterwards as many jobs run at once as before", async () => {
    const pool = openPool({ threads: 2, maxQueue: 1, worker: FRAGILE });
    await Promise.allSettled(times(3, () => pool.run(taskFor("throw"))));
    const jobs = ["a", "b", "c"].map((text) => pool.run(taskFor(text)));
    expect(pool.stats()).toStrictEqual({ running: 2, queued: 1 });
    expect(await reasonOf(pool.run(taskFor("d")))).toBe("overloaded");
    expect(await Promise.all(jobs)).toStrictEqual(["a", "b", "c"]);
  });

  test("while it has nothing to do is missed by nobody", async () => {
    const worker = workerOf(`
      parentPort.on("message", () => {
        parentPort.postMessage({ result: "done" });
        setImmediate(() => process.exit(7));
      });`);
    const pool = openPool({ threads: 1, maxQueue: 10, worker });
    const outcomes = await Promise.all(times(5, () => reasonOf(pool.run(taskFor("")))));
    expect(outcomes.every((outcome) => ["done", "a hash worker ended with code 7"].includes(outcome))).toBe(true);
    expect(pool.stats()).toStrictEqual({ running: 0, queued: 0 });
  });
});

describe("a worker that cannot be loaded", () => {
  const MISSING = "an-engine-that-is-not-installed";

  test("fails each job with what is missing, and is started once a job at the most", async () => {
    const starts = join(await temporaryFolder(), "starts");
    await appendFile(starts, "");
    const worker = workerOf(`
      import { appendFileSync } from "node:fs";
      appendFileSync(${JSON.stringify(starts)}, "x");
      await import(${JSON.stringify(MISSING)});`);
    const pool = openPool({ threads: 2, maxQueue: 4, worker });
    for (const round of [1, 2]) {
      const outcomes = await Promise.allSettled(times(6, () => pool.run(taskFor(""))));
      for (const outcome of outcomes) {
        expect(outcome).toMatchObject({
          status: "rejected",
          reason: { message: "a hash worker ended with code 1", cause: { message: expect.stringContaining(MISSING) } },
        });
      }
      expect(pool.stats()).toStrictEqual({ running: 0, queued: 0 });
      expect(await readFile(starts, "utf8")).toHaveLength(6 * round);
    }
  });

  test("is started by a job and not before", async () => {
    const starts = join(await temporaryFolder(), "starts");
    await appendFile(starts, "");
    const worker = workerOf(`
      import { appendFileSync } from "node:fs";
      appendFileSync(${JSON.stringify(starts)}, "x");`);
    await createHashPool({ threads: 2, maxQueue: 4, worker })[Symbol.asyncDispose]();
    expect(await readFile(starts, "utf8")).toBe("");
  });
});

describe("a pool that is disposed", () => {
  test("rejects what runs and what waits, and takes no more", async () => {
    const pool = createHashPool({ threads: 2, maxQueue: 3 });
    const jobs = times(5, () => reasonOf(pool.run(SLOW)));
    await pool[Symbol.asyncDispose]();
    expect(await Promise.all(jobs)).toStrictEqual(times(5, () => "unavailable"));
    expect(pool.stats()).toStrictEqual({ running: 0, queued: 0 });
    expect(await reasonOf(pool.run(QUICK))).not.toBe("done");
  });

  test("ends its workers, busy or not", async () => {
    const folder = await temporaryFolder();
    const worker = workerOf(`
      import { createServer } from "node:net";
      parentPort.on("message", ({ hash }) => {
        createServer().listen(hash, () => hash.endsWith("idle") && parentPort.postMessage({ result: hash }));
      });`);
    const pool = createHashPool({ threads: 2, maxQueue: 0, worker });
    const [idle, busy] = [join(folder, "idle"), join(folder, "busy")];
    const listens = (path: string) =>
      new Promise<boolean>((resolve) => {
        const socket = connect(path, () => resolve(socket.destroy().destroyed));
        socket.on("error", () => resolve(false));
      });
    const [first, job] = [idle, busy].map((path) => reasonOf(pool.run(taskFor(path))));
    expect(await first).toBe("done");
    await expect.poll(() => listens(busy)).toBe(true);
    expect(await listens(idle)).toBe(true);
    await pool[Symbol.asyncDispose]();
    expect(await Promise.all([idle, busy].map(listens))).toStrictEqual([false, false]);
    expect(await job).toBe("unavailable");
  });
});
