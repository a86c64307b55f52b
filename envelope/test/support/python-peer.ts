import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

const program = fileURLToPath(new URL("../python/peer.py", import.meta.url));

/** One end of a channel in Python, for one test. Each call is a function of `peer.py`; a failure there is an error here. */
export function startPeer(python: string) {
  const child = spawn(python, ["-B", program], { stdio: ["pipe", "pipe", "inherit"] });
  onTestFinished(() => void child.kill());
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  // biome-ignore lint/suspicious/noExplicitAny: what comes back is JSON of the function that was called
  return async (function_: string, argument: object): Promise<any> => {
    child.stdin.write(`${JSON.stringify({ do: function_, ...argument })}\n`);
    const { value, done } = await lines.next();
    if (done) throw new Error(`${function_} failed in Python`);
    return JSON.parse(value);
  };
}
