import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const STOP_MS = 20_000;
/** Longer than any answer takes. A child that hangs fails the bench, and does not hang it. */
const REPLY_MS = 60_000;

/** @typedef {import("node:child_process").ChildProcess} ChildProcess */

/** Every process that the bench starts, ended by its own handle when the bench is over, however it ends. */
export function createChildren() {
  /** @type {Set<ChildProcess>} */
  const children = new Set();

  /** @param {ChildProcess} child */
  function keep(child) {
    children.add(child);
    child.once("exit", () => children.delete(child));
    return child;
  }

  return {
    /** A Node program of somebody else's, told what to do by its environment. */
    spawn(file, { env = {}, args = [] } = {}) {
      const stdio = ["ignore", "ignore", "inherit"];
      return keep(spawn(process.execPath, [...args, file], { env: { ...process.env, ...env }, stdio }));
    },

    /**
     * A program of this folder. It sends `{ ready }` once, and answers each `{ ask }` with `{ answer }` or `{ failure }`.
     * @param {string} file relative to the folder of the bench
     * @param {object} [settings] what it is told at its start
     */
    async fork(file, settings = {}) {
      const path = fileURLToPath(new URL(`../${file}`, import.meta.url));
      const child = keep(fork(path, [JSON.stringify(settings)], { serialization: "advanced" }));
      const { ready } = await reply(child, file);
      return {
        ...ready,
        pid: child.pid,
        async ask(question) {
          const answered = reply(child, file);
          child.send({ ask: question });
          return (await answered).answer;
        },
        stop: () => stop(child),
      };
    },

    stop,

    async stopAll() {
      await Promise.all([...children].map(stop));
    },
  };
}

/** @param {ChildProcess} child @param {string} name */
async function reply(child, name) {
  const waiting = new AbortController();
  const { signal } = waiting;
  const fail = (problem) => Promise.reject(new Error(`${name} ${problem}`));
  try {
    const [message] = await Promise.race([
      once(child, "message", { signal }),
      once(child, "exit", { signal }).then(([code]) => fail(`ended with code ${code}`)),
      setTimeout(REPLY_MS, undefined, { signal }).then(() => fail("does not answer")),
    ]);
    if (message.failure !== undefined) throw new Error(`${name}: ${message.failure}`);
    return message;
  } finally {
    waiting.abort();
  }
}

/** @param {ChildProcess} child */
async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  const giveUp = new AbortController();
  const killed = setTimeout(STOP_MS, undefined, { signal: giveUp.signal }).then(
    () => child.kill("SIGKILL"),
    () => undefined,
  );
  await exited;
  giveUp.abort();
  await killed;
}

/** The resident memory of a process, MB. @param {number} pid */
export async function residentMb(pid) {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1024;
}
