import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

const PYTHON = "/usr/bin/python3";
const PROGRAM = fileURLToPath(new URL("pkcs11_device.py", import.meta.url));
const MODULE = "/usr/lib/softhsm/libsofthsm2.so";
const TOKEN = "sello";
const PIN = "654321";

type Request = { operation: string; label: string } & Record<string, string>;

/** A PKCS#11 token (SoftHSM) behind a process of its own. */
export type Pkcs11Device = {
  /** The result of an operation; undefined when it has none. @throws Error what the token says. */
  ask(request: Request): Promise<Buffer | undefined>;
  /** Ends the process: a device that was pulled out. */
  remove(): void;
};

export function hasSoftHsm(): boolean {
  return (
    spawnSync(PYTHON, ["-c", "import PyKCS11"]).status === 0 && spawnSync("softhsm2-util", ["--version"]).status === 0
  );
}

/** Starts the device on an empty token. */
export async function startPkcs11Device(): Promise<Pkcs11Device> {
  const folder = await mkdtemp(join(tmpdir(), "sello-softhsm-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const config = join(folder, "softhsm2.conf");
  await mkdir(join(folder, "tokens"));
  await writeFile(
    config,
    `directories.tokendir = ${join(folder, "tokens")}\nobjectstore.backend = file\nlog.level = ERROR\n`,
  );
  const env = { ...process.env, SOFTHSM2_CONF: config };
  const token = ["--init-token", "--free", "--label", TOKEN, "--so-pin", "123456", "--pin", PIN];
  execFileSync("softhsm2-util", token, { env, stdio: "ignore" });

  const child = spawn(PYTHON, [PROGRAM], {
    env: { ...env, PKCS11_MODULE: MODULE, PKCS11_TOKEN: TOKEN, PKCS11_PIN: PIN },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const waiting: { resolve(line: string): void; reject(error: Error): void }[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => waiting.shift()?.resolve(line));
  child.stdin.on("error", () => undefined);
  child.once("exit", () => {
    for (const { reject } of waiting.splice(0)) reject(new Error("the device is gone"));
  });
  onTestFinished(async () => {
    const ended = child.exitCode === null && child.signalCode === null ? once(child, "exit") : undefined;
    child.kill();
    await ended;
  });

  return {
    async ask(request) {
      const line = await new Promise<string>((resolve, reject) => {
        if (child.exitCode !== null || child.signalCode !== null) return reject(new Error("the device is gone"));
        waiting.push({ resolve, reject });
        child.stdin.write(`${JSON.stringify(request)}\n`);
      });
      const { result, error } = JSON.parse(line) as { result?: string | null; error?: string };
      if (error !== undefined) throw new Error(error);
      return result == null ? undefined : Buffer.from(result, "base64");
    },
    remove: () => void child.kill(),
  };
}
