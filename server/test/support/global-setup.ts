import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import type { TestProject } from "vitest/node";
import { systemClock } from "../../src/clock.ts";
import { openKeyFolderForCli } from "../../src/crypto/key-store.ts";
import { randomSecret } from "../../src/crypto/random.ts";
import { rotateKmsKey } from "../../src/open-kms.ts";
import { startEmbeddedPostgres } from "../../src/postgres/embedded.ts";
import { migrate } from "../../src/postgres/migrate.ts";
import { testKeySettings } from "./test-keys.ts";

declare module "vitest" {
  interface ProvidedContext {
    databaseServer: string;
    templateDatabase: string;
    redisUrl: string | undefined;
    keysDir: string;
  }
}

/** One PostgreSQL, one migrated template and one set of keys for the whole run: `DATABASE_URL`'s server, or an embedded one. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), "sello-test-"));
  const given = process.env["DATABASE_URL"];
  const embedded = given
    ? undefined
    : await startEmbeddedPostgres({
        dataDir: join(folder, "postgres"),
        randomPassword: randomSecret,
        log: () => {},
        warn: () => {},
      });
  const server = given ?? embedded?.url ?? "";
  const template = `sello_template_${process.pid}`;
  await onServer(server, `CREATE DATABASE ${template}`);
  await migrate(databaseUrl(server, template), () => {});

  const keysDir = join(folder, "keys");
  await (await openKeyFolderForCli(testKeySettings(keysDir), systemClock)).rotate();
  await rotateKmsKey(join(keysDir, "kms.key"), systemClock);

  project.provide("databaseServer", server);
  project.provide("templateDatabase", template);
  project.provide("redisUrl", process.env["REDIS_URL"]);
  project.provide("keysDir", keysDir);
  return async () => {
    await onServer(server, `DROP DATABASE ${template}`);
    await embedded?.stop();
    await rm(folder, { recursive: true, force: true });
  };
}

function databaseUrl(server: string, database: string): string {
  const url = new URL(server);
  url.pathname = `/${database}`;
  return url.href;
}

async function onServer(server: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: server });
  await client.connect();
  await client.query(sql);
  await client.end();
}
