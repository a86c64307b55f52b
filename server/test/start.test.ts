import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, inject, test, vi } from "vitest";
import { call, loginUser, me, refresh, registerUser } from "./support/client.ts";
import { bareEnvironment, createServerProcesses, MAIN, type ServerProcesses } from "./support/server-processes.ts";
import { createTestDatabase, dropTestDatabase } from "./support/start-app.ts";

const CLI = fileURLToPath(new URL("../dist/cli.js", import.meta.url));

let servers: ServerProcesses;
let folder: string;
beforeEach(async () => {
  servers = await createServerProcesses();
  folder = servers.folder;
});
afterEach(() => servers[Symbol.asyncDispose]());

const start = (env?: Record<string, string>) => servers.start(env);
const stop = (child: ChildProcess, signal?: NodeJS.Signals) => servers.stop(child, signal);

describe("npm start", () => {
  test("needs nothing: it brings its own PostgreSQL, keys and demo user, and says what to try", async () => {
    const { child, url, output } = await start();
    expect(await loginUser(url, "demo", "open sesame, twice")).toMatchObject({ status: 200 });
    await vi.waitFor(() => expect(output()).toContain("Embedded: PostgreSQL 18 in "));
    expect(output()).toContain("/auth/login -H 'content-type: application/json'");
    const files = await readdir(join(folder, "keys"));
    expect(files.filter((name) => name.endsWith(".jwk.json"))).toHaveLength(8);
    for (const name of files) expect((await stat(join(folder, "keys", name))).mode & 0o077).toBe(0);
    expect(await stop(child, "SIGINT")).toBe(0);
  });

  test("finds its data and keys again, also after kill -9", async () => {
    const first = await start();
    const user = await registerUser(first.url);
    await stop(first.child, "SIGKILL");
    const second = await start();
    expect(await me(second.url, user.access_token)).toMatchObject({
      status: 200,
      body: { user: { id: user.user.id } },
    });
    expect(await refresh(second.url, user.refresh_token)).toMatchObject({ status: 200 });
    expect(await stop(second.child)).toBe(0);
  });

  test("says every problem of the configuration and starts nothing", async () => {
    const child = spawn(process.execPath, [MAIN], {
      cwd: folder,
      env: bareEnvironment({ PORT: "x", RSA_BITS: "512" }),
    });
    const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, "exit")]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/PORT: .*\n.*RSA_BITS: /);
    expect(stderr).not.toContain("    at ");
    expect(await readdir(folder)).toStrictEqual([]);
  });

  test("refuses production without keys, and says how to make them", async () => {
    const env = {
      APP_ENV: "production",
      DATABASE_URL: "postgres://127.0.0.1:1/none",
      REDIS_URL: "redis://127.0.0.1:1",
      ISSUER: "https://auth.example.com",
    };
    const child = spawn(process.execPath, [MAIN], { cwd: folder, env: bareEnvironment(env) });
    const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, "exit")]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^keys has no active key for sig \(ES256\), .*: run `npm run cli -- rotate-keys`$/m);
  });

  test.skipIf(inject("redisUrl") === undefined)("serves production on real stores, without reflection", async () => {
    const databaseUrl = await createTestDatabase();
    await cp(inject("keysDir"), join(folder, "keys"), { recursive: true });
    const { child, url, output } = await start({
      APP_ENV: "production",
      DATABASE_URL: databaseUrl,
      REDIS_URL: inject("redisUrl") ?? "",
      ISSUER: "https://auth.example.com",
    });
    expect(await registerUser(url)).toMatchObject({ token_type: "Bearer" });
    expect(await loginUser(url, "demo", "open sesame, twice")).toMatchObject({ status: 401 });
    const reflection = `${url}/grpc.reflection.v1.ServerReflection/ServerReflectionInfo`;
    expect(await call(reflection, { body: {} })).toMatchObject({ status: 404 });
    expect(output()).not.toContain("Try:");
    expect(await stop(child)).toBe(0);
    await dropTestDatabase(databaseUrl);
  });
});

describe("a running server", () => {
  test("takes up a rotation from the command line without a failed request", async () => {
    const databaseUrl = await createTestDatabase();
    const { url } = await start({ DATABASE_URL: databaseUrl });
    const user = await registerUser(url);
    const kids = async () => {
      const { body } = await call<{ keys: { kid: string }[] }>(`${url}/.well-known/jwks.json`);
      return body.keys.map(({ kid }) => kid);
    };
    const before = await kids();
    const rotation = spawn(process.execPath, [CLI, "rotate-keys"], { cwd: folder, env: bareEnvironment() });
    const exited = once(rotation, "exit");
    const failures: unknown[] = [];
    await vi.waitFor(
      async () => {
        const answer = await me(url, user.access_token);
        if (answer.status !== 200) failures.push(answer.body);
        const now = await kids();
        expect(before.every((kid) => now.includes(kid))).toBe(true);
        expect(now.length).toBe(before.length + 4);
      },
      { timeout: 15_000, interval: 10 },
    );
    expect((await exited)[0]).toBe(0);
    expect(failures).toStrictEqual([]);
    expect(await loginUser(url, user.credentials.email)).toMatchObject({ status: 200 });
    await servers.stopAll();
    await dropTestDatabase(databaseUrl);
  });

  test("finishes what is in flight when it is told to stop, and loses no refresh", async () => {
    const databaseUrl = await createTestDatabase();
    const keys = join(folder, "keys");
    await cp(inject("keysDir"), keys, { recursive: true });
    const env = { DATABASE_URL: databaseUrl, RATE_LIMIT_LOGIN_IP: "off" };
    const { child, url } = await start(env);
    const users = await Promise.all(Array.from({ length: 8 }, () => registerUser(url)));
    const refreshing = users.map((user) => refresh(url, user.refresh_token).catch(() => undefined));
    const stopped = stop(child);
    const answers = await Promise.all(refreshing);
    expect(await stopped).toBe(0);
    const second = await start(env);
    for (const [index, user] of users.entries()) {
      const held = answers[index]?.body.refresh_token ?? user.refresh_token;
      expect(await refresh(second.url, held)).toMatchObject({ status: 200 });
    }
    await stop(second.child);
    await dropTestDatabase(databaseUrl);
  });

  test("never has two live chains after being killed between a rotation and its answer", async () => {
    const databaseUrl = await createTestDatabase();
    await cp(inject("keysDir"), join(folder, "keys"), { recursive: true });
    const env = { DATABASE_URL: databaseUrl, RATE_LIMIT_REGISTER_IP: "off" };
    for (let round = 0; round < 5; round++) {
      const { child, url } = await start(env);
      const user = await registerUser(url);
      const lost = refresh(url, user.refresh_token).catch(() => undefined);
      setTimeout(() => child.kill("SIGKILL"), round * 2);
      const answer = await lost;
      await stop(child);
      const again = await start(env);
      const retry = await refresh(again.url, user.refresh_token);
      expect(retry.status).toBe(200);
      if (answer !== undefined) expect(retry.body.refresh_token).toBe(answer.body.refresh_token);
      expect(await refresh(again.url, retry.body.refresh_token)).toMatchObject({ status: 200 });
      await stop(again.child);
    }
    await dropTestDatabase(databaseUrl);
  }, 120_000);

  test("starts several times at once on an empty database and folder: one schema, one set of keys", async () => {
    const databaseUrl = await createTestDatabase({ empty: true });
    const servers = await Promise.all([1, 2, 3].map(() => start({ DATABASE_URL: databaseUrl })));
    const sets = await Promise.all(
      servers.map(async ({ url }) => JSON.stringify((await call(`${url}/.well-known/jwks.json`)).body)),
    );
    expect(new Set(sets).size).toBe(1);
    const [first, second, third] = servers;
    if (!first || !second || !third) throw new Error("three were started");
    const user = await registerUser(first.url);
    expect(await me(second.url, user.access_token)).toMatchObject({ status: 200 });
    await call(`${third.url}/auth/logout`, { body: { refresh_token: user.refresh_token } });
    expect(await me(second.url, user.access_token)).toMatchObject({
      status: 401,
      body: { error: { code: "token_revoked" } },
    });
    await Promise.all(servers.map(({ child }) => stop(child)));
    await dropTestDatabase(databaseUrl);
  });

  test.skipIf(inject("redisUrl") === undefined)("runs as several workers behind one port", async () => {
    const { child, url, output } = await start({ WORKERS: "2", REDIS_URL: inject("redisUrl") ?? "" });
    await vi.waitFor(() => expect(output().match(/"msg":"listening"/g)).toHaveLength(2), { timeout: 20_000 });
    const user = await registerUser(url);
    const answers = await Promise.all(Array.from({ length: 20 }, () => me(url, user.access_token)));
    expect(new Set(answers.map(({ status }) => status))).toStrictEqual(new Set([200]));
    expect(await stop(child)).toBe(0);
  });
});

describe("the command line", () => {
  test("explains itself, and refuses what it does not know", async () => {
    const help = spawn(process.execPath, [CLI, "--help"], { cwd: folder, env: bareEnvironment() });
    expect(await text(help.stdout)).toMatch(/migrate[\s\S]+rotate-keys \[--retire KID\]/);
    const unknown = spawn(process.execPath, [CLI, "fly"], { cwd: folder, env: bareEnvironment() });
    const [stderr, [code]] = await Promise.all([text(unknown.stderr), once(unknown, "exit")]);
    expect(code).toBe(1);
    expect(stderr).toContain("fly is no command");
  });

  test("erases a leaked key at once", async () => {
    const run = async (...args: string[]) => {
      const child = spawn(process.execPath, [CLI, ...args], { cwd: folder, env: bareEnvironment() });
      const [[code]] = await Promise.all([once(child, "exit"), text(child.stdout), text(child.stderr)]);
      return code;
    };
    expect(await run("rotate-keys")).toBe(0);
    const keyFiles = (await readdir(join(folder, "keys"))).filter((name) => name.startsWith("sig-"));
    const leaked = JSON.parse(await readFile(join(folder, "keys", keyFiles[0] ?? ""), "utf8"));
    expect(await run("rotate-keys", "--retire", leaked.kid)).toBe(0);
    expect((await readdir(join(folder, "keys"))).some((name) => name.includes(leaked.kid))).toBe(false);
    expect(await run("rotate-keys", "--retire", leaked.kid)).toBe(1);
  });
});

async function text(stream: NodeJS.ReadableStream): Promise<string> {
  let all = "";
  for await (const chunk of stream) all += chunk;
  return all;
}
