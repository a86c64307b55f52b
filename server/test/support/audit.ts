import { join } from "node:path";
import type pg from "pg";
import { expect, onTestFinished } from "vitest";
import { auditHashes } from "../../src/crypto/audit-chain.ts";
import { withLock } from "../../src/crypto/key-lock.ts";
import { openLocalKms } from "../../src/kms/local.ts";
import { createAuditKeys } from "../../src/postgres/audit-keys.ts";
import { createAuditSeals } from "../../src/postgres/audit-seals.ts";
import type { ChainHead } from "../../src/service/audit-chain-ports.ts";
import { readAuditKey } from "../../src/service/audit-key.ts";
import { sealAudit } from "../../src/service/seal-audit.ts";
import { type AuditSummary, verifyAudit } from "../../src/service/verify-audit.ts";
import { createTestDatabase, dropTestDatabase, openTestPool, type TestApp } from "./start-app.ts";

/** A clock like the database's: an event says when it occurred. */
export const WALL_CLOCK = { now: () => new Date() };

/** A database with its trail, and nobody who seals it but the test. */
export type Trail = { db: pg.Pool; key: Buffer; databaseUrl: string };

export async function startTrail(): Promise<Trail> {
  const databaseUrl = await createTestDatabase();
  const db = openTestPool(databaseUrl, 4);
  onTestFinished(async () => {
    await db.end();
    await dropTestDatabase(databaseUrl);
  });
  return { db, databaseUrl, key: Buffer.alloc(32, 7) };
}

/** The trail of a server, with the key that it made. */
export async function trailOf(server: TestApp): Promise<Trail> {
  const kms = await openLocalKms({
    file: join(server.keysDir, "kms.key"),
    runAlone: withLock,
    clock: WALL_CLOCK,
    generate: false,
    onError: (error) => {
      throw error;
    },
  });
  const key = await readAuditKey({ kms, auditKeys: createAuditKeys(server.db) });
  return { db: server.db, databaseUrl: server.databaseUrl, key };
}

/** Seals what waits. Returns how many events there were. */
export async function seal({ db, key }: Trail): Promise<number> {
  return (await sealAudit({ seals: createAuditSeals(db), hashes: auditHashes, key: async () => key })).count;
}

/** Waits until a server has sealed every event. */
export async function allSealed({ db }: Pick<Trail, "db">): Promise<void> {
  await expect
    .poll(async () => (await db.query("SELECT FROM audit_unsealed")).rowCount, { timeout: 10_000, interval: 50 })
    .toBe(0);
}

/** What `audit verify` would say. */
export async function verifyTrail(
  { db, key }: Trail,
  options: { expected?: ChainHead[]; withoutKey?: boolean } = {},
): Promise<AuditSummary & { said: string[] }> {
  const said: string[] = [];
  const { expected = [], withoutKey = false } = options;
  const summary = await createAuditSeals(db).inspect((reader) =>
    verifyAudit(
      { reader, hashes: auditHashes, key: withoutKey ? undefined : key },
      { expected, report: (finding) => said.push(finding) },
    ),
  );
  return { ...summary, said };
}

/** Does what no server may: on one connection, with every trigger off. */
export async function tamper({ db }: Pick<Trail, "db">, ...statements: string[]): Promise<void> {
  const owner = await db.connect();
  await owner.query("SET session_replication_role = replica");
  for (const statement of statements) await owner.query(statement);
  await owner.query("SET session_replication_role = origin");
  owner.release();
}

/** Events as a server writes them, many at once. */
export async function insertEvents({ db }: Pick<Trail, "db">, count: number): Promise<void> {
  await db.query(
    `INSERT INTO audit_events (occurred_at, type, result, actor_id, subject_id, session_id, ip, user_agent, request_id, detail)
    SELECT now(), 'login.succeeded', 'success', id, id, gen_random_uuid(), '203.0.113.7', 'test', 'r-' || n, '{}'
    FROM generate_series(1, $1::int) AS n, gen_random_uuid() AS id`,
    [count],
  );
}
