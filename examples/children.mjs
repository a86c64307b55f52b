import { spawn } from "node:child_process";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url));

/** Runs a command in the repository's folder, and resolves with what it printed. @param {string[]} command */
export async function run([file = "", ...args], cwd = root) {
  const child = spawn(file, args, { cwd, stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  const code = await new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  if (code !== 0) throw new Error(`${[file, ...args].join(" ")} ended with code ${code}`);
  return output;
}

/** Programs that go on until they are stopped, together. */
export function createChildren() {
  /** @type {import("node:child_process").ChildProcess[]} */
  const children = [];
  const stopAll = () => {
    for (const child of children) child.kill();
  };
  return {
    stopAll,
    /** @param {string} program @param {Record<string, string>} env */
    start(program, env) {
      const child = spawn(process.execPath, [program], {
        cwd: root,
        env: { ...process.env, ...env },
        stdio: "inherit",
      });
      children.push(child);
      // One of them is of no use without the others.
      child.on("exit", (code) => {
        if (code !== 0 && code !== null) process.exitCode = code;
        stopAll();
      });
      return child;
    },
  };
}

/** Whether anybody answers there. @param {string} url */
export async function answers(url) {
  return fetch(url).then(
    () => true,
    () => false,
  );
}

/** Resolves when somebody does. @param {string} url @param {import("node:child_process").ChildProcess} child */
export async function untilAnswers(url, child) {
  for (let tries = 0; !(await answers(url)); tries++) {
    if (child.exitCode !== null || tries === 600) throw new Error(`nobody answers at ${url}`);
    await wait(100);
  }
}
