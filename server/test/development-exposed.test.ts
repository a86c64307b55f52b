import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { loginUser } from "./support/client.ts";
import { createServerProcesses, type Running, type ServerProcesses } from "./support/server-processes.ts";
import { createTestDatabase, dropTestDatabase } from "./support/start-app.ts";

let servers: ServerProcesses;
let databaseUrl: string;
beforeEach(async () => {
  servers = await createServerProcesses();
  databaseUrl = await createTestDatabase();
});
afterEach(async () => {
  await servers[Symbol.asyncDispose]();
  await dropTestDatabase(databaseUrl);
});

const start = (host: string) => servers.start({ HOST: host, DATABASE_URL: databaseUrl });
const localUrl = ({ url }: Running) => url.replace("0.0.0.0", "127.0.0.1");
const DEMO_LOGIN = ["demo", "open sesame, twice"] as const;
const warnings = (output: string) => output.match(/"level":"warn"[^\n]*/g) ?? [];

describe("development on an address that others reach", () => {
  test("says what is open in one line, and has nobody whose password is known", async () => {
    const running = await start("0.0.0.0");
    await vi.waitFor(() => expect(running.output()).toContain("Embedded: "));
    expect(warnings(running.output())).toStrictEqual([
      expect.stringMatching(/HOST is 0\.0\.0\.0: .*reflection is on.*APP_ENV=production/),
    ]);
    expect(running.output()).not.toContain(DEMO_LOGIN[1]);
    expect((await loginUser(localUrl(running), ...DEMO_LOGIN)).status).toBe(401);
  });

  test("says that a demo user of an earlier start is still there", async () => {
    const before = await start("127.0.0.1");
    expect((await loginUser(before.url, ...DEMO_LOGIN)).status).toBe(200);
    expect(warnings(before.output())).toStrictEqual([]);
    await servers.stop(before.child);
    const { output } = await start("0.0.0.0");
    expect(warnings(output())).toContainEqual(expect.stringContaining("with a password that everybody knows"));
    expect(output()).not.toContain(DEMO_LOGIN[1]);
  });
});
