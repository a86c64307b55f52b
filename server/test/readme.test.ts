import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readConfig } from "../src/config.ts";
import { DEMO_USER, seedDemoUser } from "../src/demo.ts";
import { createLog } from "../src/telemetry/log.ts";
import { startApp, type TestApp } from "./support/start-app.ts";

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const DEFAULT_URL = "http://localhost:8080";

let server: TestApp;
let folder: string;
let blocks: { language: string; text: string }[];

beforeAll(async () => {
  server = await startApp({ overrides: { clock: { now: () => new Date() } } });
  await seedDemoUser(server.app, { config: readConfig({}).config, log: createLog("silent") });
  folder = await mkdtemp(join(tmpdir(), "sello-readme-"));
  await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
  const readme = await readFile(join(ROOT, "README.md"), "utf8");
  blocks = [...readme.matchAll(/```(\w+)\n([\s\S]*?)```/g)].map(([, language = "", text = ""]) => ({
    language,
    text: text.replaceAll(DEFAULT_URL, server.url),
  }));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await server[Symbol.asyncDispose]();
});

describe("the README", () => {
  test("logs in with its curl line", async () => {
    const { stdout } = await run("sh", ["-c", commandWith("curl -s")], { cwd: ROOT });
    expect(JSON.parse(stdout)).toMatchObject({ token_type: "Bearer", user: { username: DEMO_USER.username } });
  });

  test("logs in with its buf curl line, without a schema", async () => {
    const { stdout } = await run("sh", ["-c", commandWith("npx buf curl")], { cwd: ROOT });
    expect(JSON.parse(stdout)).toMatchObject({ tokenType: "Bearer", user: { username: DEMO_USER.username } });
  });

  test("logs in with its TypeScript over gRPC, and sealed", async () => {
    const programs = blocks.filter(({ language }) => language === "ts" || language === "js");
    const outputs = [];
    for (const [index, { text }] of programs.entries()) {
      const file = join(folder, `snippet-${index}.mjs`);
      await writeFile(file, text);
      outputs.push((await run(process.execPath, [file], { cwd: folder })).stdout.trim());
    }
    expect(outputs).toStrictEqual(["demo is logged in", "demo is logged in, sealed"]);
  });
});

function commandWith(start: string): string {
  return blocks.find(({ language, text }) => language === "sh" && text.startsWith(start))?.text ?? "false";
}
