import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { naming, StartError } from "../src/start-error.ts";
import { bareEnvironment, MAIN } from "./support/server-processes.ts";

const CLI = fileURLToPath(new URL("../dist/cli.js", import.meta.url));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sello-start-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function run(program: string, args: string[], env: Record<string, string> = {}) {
  const common = { KEYS_DIR: join(folder, "keys"), DATA_DIR: join(folder, "data"), LOG_LEVEL: "silent" };
  const ports = { PORT: "0", METRICS_PORT: "0", KMS_LOCAL_KEY_FILE: join(folder, "kms.key") };
  const options = { cwd: folder, env: { ...bareEnvironment(), ...common, ...ports, ...env }, timeout: 20_000 };
  const { status, stderr } = spawnSync(process.execPath, [program, ...args], { ...options, encoding: "utf8" });
  return { status, said: stderr.trim() };
}

describe("a start that fails says in a line what to look at", () => {
  test.each([
    [{ KEYS_DIR: MAIN }, `KEYS_DIR: ${MAIN} is a file where a folder is needed`],
    [{ TLS_CERT_FILE: "/nope", TLS_KEY_FILE: "/nope" }, "TLS_CERT_FILE: there is no /nope"],
    [{ HOST: "host.invalid" }, /^HOST, METRICS_PORT: host\.invalid is no host/],
    [{ DATABASE_URL: "postgres://x:y@127.0.0.1:1/z" }, "DATABASE_URL: nothing answers there (connection refused)"],
    [{ REDIS_URL: "redis://127.0.0.1:1" }, "REDIS_URL: nothing answers there (connection refused)"],
  ])("%o", (env, line) => {
    const { status, said } = run(MAIN, [], env as Record<string, string>);
    expect(status).toBe(1);
    expect(said.split("\n")).toHaveLength(1);
    expect(said).toMatch(line);
  });
});

describe("what a variable names", () => {
  const system = (code: string, more: object) => Object.assign(new Error("x"), { code, ...more });

  test("is named for what the system refused, also when it is the cause", () => {
    const taken = system("EADDRINUSE", { address: "127.0.0.1", port: 8080 });
    const message = "PORT: 127.0.0.1 port 8080 is taken by another process";
    for (const failure of [taken, new Error("listening failed", { cause: taken })]) {
      expect(() => naming("PORT")(failure)).toThrow(expect.objectContaining({ name: "StartError", message }));
    }
  });

  test("is named before a sentence that was said already, once", () => {
    expect(() => naming("DATA_DIR")(new Error("it is in use"))).toThrow("DATA_DIR: it is in use");
    const named = new StartError("KEYS_DIR: no");
    expect(() => naming("DATA_DIR")(named)).toThrow(named);
  });

  test("is not blamed for a fault of the program", () => {
    const fault = new TypeError("x is not a function");
    expect(() => naming("PORT")(fault)).toThrow(fault);
  });
});

describe("the command line", () => {
  test("explains each command, and an argument it does not know", () => {
    expect(run(CLI, ["rotate-keys", "--nope"])).toMatchObject({
      status: 1,
      said: expect.stringContaining("Usage: npm run cli -- rotate-keys"),
    });
    expect(run(CLI, ["rotate-keys", "--help"])).toMatchObject({ status: 0, said: "" });
    expect(run(CLI, ["nothing"])).toMatchObject({ status: 1, said: expect.stringContaining("nothing is no command") });
  });

  test("names the folder that it cannot use", () => {
    expect(run(CLI, ["rotate-keys"], { KEYS_DIR: MAIN })).toStrictEqual({
      status: 1,
      said: `KEYS_DIR: ${MAIN} is a file where a folder is needed`,
    });
  });
});
