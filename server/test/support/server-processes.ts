import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { vi } from "vitest";

export const MAIN = fileURLToPath(new URL("../../dist/main.js", import.meta.url));

export type Running = { child: ChildProcess; url: string; output(): string };

/** Servers as a user starts them: processes in a folder of their own. Disposing it stops them all and removes the folder. */
export type ServerProcesses = AsyncDisposable & {
  folder: string;
  /** Starts a server, and waits until it says that it listens. */
  start(env?: Record<string, string>): Promise<Running>;
  /** Resolves with the exit code; null after a signal that kills. */
  stop(child: ChildProcess, signal?: NodeJS.Signals): Promise<number | null>;
  stopAll(): Promise<void>;
};

/** The environment of a new machine: nothing but a path. */
export function bareEnvironment(env: Record<string, string> = {}): NodeJS.ProcessEnv {
  return { PATH: process.env["PATH"], PORT: "0", METRICS_PORT: "0", RSA_BITS: "2048", ...env };
}

export async function createServerProcesses(main = MAIN): Promise<ServerProcesses> {
  const folder = await mkdtemp(join(tmpdir(), "sello-start-"));
  const children = new Set<ChildProcess>();

  const stop = async (child: ChildProcess, signal: NodeJS.Signals = "SIGTERM") => {
    children.delete(child);
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
    child.kill(signal);
    await once(child, "exit");
    return child.exitCode;
  };
  const stopAll = async () => {
    await Promise.all([...children].map((child) => stop(child)));
  };

  return {
    folder,
    stop,
    stopAll,
    async start(env = {}) {
      const child = spawn(process.execPath, [main], { cwd: folder, env: bareEnvironment(env) });
      children.add(child);
      let text = "";
      child.stdout.on("data", (chunk) => {
        text += chunk;
      });
      child.stderr.on("data", (chunk) => {
        text += chunk;
      });
      const url = await vi.waitFor(
        () => {
          if (child.exitCode !== null) return "";
          const found = /"url":"([^"]+)","msg":"listening"/.exec(text)?.[1];
          if (found === undefined) throw new Error(`not listening yet:\n${text}`);
          return found;
        },
        { timeout: 60_000, interval: 50 },
      );
      if (url === "") throw new Error(`the server ended with code ${child.exitCode}:\n${text}`);
      return { child, url, output: () => text };
    },
    async [Symbol.asyncDispose]() {
      await stopAll();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
