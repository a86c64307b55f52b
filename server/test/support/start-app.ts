import { randomBytes } from "node:crypto";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { inject, onTestFinished } from "vitest";
import { type App, buildApp, type Overrides } from "../../src/app.ts";
import { readConfig } from "../../src/config.ts";
import type { Env } from "../../src/env.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { createTestClock, type TestClock } from "./test-clock.ts";

/** A whole server on its own database, keys and Redis prefix, with what a test needs to look behind it. */
export type TestApp = AsyncDisposable & {
  app: App;
  url: string;
  clock: TestClock;
  /** The lines it logged, parsed. */
  logs: Record<string, unknown>[];
  /** For assertions on what is stored. */
  db: pg.Pool;
  databaseUrl: string;
  keysDir: string;
};

export type StartOptions = { env?: Env; overrides?: Overrides; databaseUrl?: string; keysDir?: string };

/** Cheap hashes and no limits, except where a test asks for them. */
const TEST_ENV: Env = {
  PORT: "0",
  METRICS_PORT: "0",
  RSA_BITS: "2048",
  ARGON2_MEMORY_KIB: "64",
  ARGON2_PASSES: "1",
  ARGON2_CONCURRENCY: "2",
  ARGON2_QUEUE: "1000",
  DATABASE_POOL: "8",
  LOG_LEVEL: "debug",
  CORS_ORIGINS: "https://app.example.com",
  RATE_LIMIT_LOGIN_IP: "off",
  RATE_LIMIT_LOGIN_ACCOUNT: "off",
  RATE_LIMIT_REGISTER_IP: "off",
  RATE_LIMIT_REFRESH_IP: "off",
};

/** Starts a server. `databaseUrl` and `keysDir` of another one make it a replica of that. */
export async function startApp(options: StartOptions = {}): Promise<TestApp> {
  const folder = await mkdtemp(join(tmpdir(), "sello-app-"));
  const keysDir = options.keysDir ?? join(folder, "keys");
  if (options.keysDir === undefined) await cp(inject("keysDir"), keysDir, { recursive: true });
  const databaseUrl = options.databaseUrl ?? (await createTestDatabase());
  const clock = createTestClock();
  const logs: Record<string, unknown>[] = [];
  const redisUrl = inject("redisUrl");
  const { config, secrets } = readConfig({
    ...TEST_ENV,
    DATABASE_URL: databaseUrl,
    KEYS_DIR: keysDir,
    ...(redisUrl && { REDIS_URL: redisUrl }),
    ...options.env,
  });
  const app = await buildApp(config, secrets, {
    clock,
    log: createLog(config.logLevel, (line) => logs.push(JSON.parse(line))),
    redisKeyPrefix: `sello:test:${new URL(databaseUrl).pathname.slice(1)}:`,
    ...options.overrides,
  });
  const db = openTestPool(databaseUrl, 2);
  return {
    app,
    url: app.url,
    clock,
    logs,
    db,
    databaseUrl,
    keysDir,
    async [Symbol.asyncDispose]() {
      await app[Symbol.asyncDispose]();
      await db.end();
      await rm(folder, { recursive: true, force: true });
      if (options.databaseUrl === undefined) await dropTestDatabase(databaseUrl);
    },
  };
}

/** The same for one test, closed when it is over. */
export async function startAppForTest(options: StartOptions = {}): Promise<TestApp> {
  const started = await startApp(options);
  onTestFinished(() => started[Symbol.asyncDispose]());
  return started;
}

/** For assertions. A test, or its end, may close every connection of its database; the next query opens another. */
export function openTestPool(connectionString: string, max: number): pg.Pool {
  const pool = new pg.Pool({ connectionString, max });
  pool.on("error", () => {});
  return pool;
}

/** A migrated database of its own. */
export async function createTestDatabase(options: { empty?: boolean } = {}): Promise<string> {
  const name = `sello_test_${randomBytes(6).toString("hex")}`;
  await onServer(`CREATE DATABASE ${name} TEMPLATE ${options.empty ? "template0" : inject("templateDatabase")}`);
  const url = new URL(inject("databaseServer"));
  url.pathname = `/${name}`;
  return url.href;
}

export function dropTestDatabase(url: string): Promise<void> {
  return onServer(`DROP DATABASE ${new URL(url).pathname.slice(1)} WITH (FORCE)`);
}

async function onServer(sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: inject("databaseServer") });
  await client.connect();
  await client.query(sql);
  await client.end();
}
