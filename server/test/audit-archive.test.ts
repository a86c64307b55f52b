import { beforeEach, describe, expect, test } from "vitest";
import { auditHashes } from "../src/crypto/audit-chain.ts";
import { createAuditArchive } from "../src/postgres/audit-archive.ts";
import { createAuditSeals } from "../src/postgres/audit-seals.ts";
import { archiveAudit } from "../src/service/archive-audit.ts";
import { insertEvents, seal, startTrail, type Trail, tamper, verifyTrail } from "./support/audit.ts";

let trail: Trail;
/** Five seals of ten events. */
beforeEach(async () => {
  trail = await startTrail();
  for (let number = 1; number <= 5; number++) {
    await insertEvents(trail, 10);
    await seal(trail);
  }
});

const sealedAt = async (number: number) =>
  (await trail.db.query<{ at: Date }>("SELECT sealed_at AS at FROM audit_seals WHERE number = $1", [number])).rows[0]
    ?.at;
const count = async (table: string) => (await trail.db.query(`SELECT FROM ${table}`)).rowCount;

/** Archives what was sealed before a seal, the seal itself without. */
async function archiveBefore(before: Date, remove?: (number: number) => Promise<boolean>) {
  const lines: string[] = [];
  const own = createAuditArchive(trail.db);
  const deps = { seals: createAuditSeals(trail.db), hashes: auditHashes, key: trail.key };
  const sink = { write: async (line: string) => void lines.push(line), done: async () => undefined };
  const archive = { ...own, removeOldest: remove ?? own.removeOldest };
  const archived = await archiveAudit({ ...deps, archive }, { before, now: new Date(), sink });
  return { archived, lines: lines.map((line) => JSON.parse(line)) };
}

describe("an archive", () => {
  test("takes the oldest seals with their events, and the chain that is left is whole", async () => {
    const before = await trail.db.query("SELECT number, hash FROM audit_seals ORDER BY number");
    const { archived, lines } = await archiveBefore((await sealedAt(4)) ?? new Date());
    expect(archived).toMatchObject({ seals: 3, events: 30, anchor: { number: 3, hash: before.rows[2].hash } });
    expect(lines.map(({ number, hash }) => [String(number), hash])).toStrictEqual(
      before.rows.slice(0, 3).map(({ number, hash }) => [number, hash.toString("hex")]),
    );
    expect(await count("audit_seals")).toBe(2);
    await seal(trail);
    const anchored = { number: 3, hash: before.rows[2].hash };
    expect(await verifyTrail(trail, { expected: [anchored] })).toMatchObject({ said: [], seals: 3, events: 21 });
    const { rows } = await trail.db.query("SELECT type, detail FROM audit_events ORDER BY id DESC LIMIT 1");
    expect(rows).toStrictEqual([{ type: "audit.archived", detail: { by: "cli", through_seal: 3, events: 30 } }]);
  });

  test("holds what its hashes are of", async () => {
    const { lines } = await archiveBefore((await sealedAt(4)) ?? new Date());
    for (const { events, hash, mac, ...line } of lines) {
      const content = {
        number: line.number,
        sealedAt: line.sealed_at,
        complete: line.complete,
        previousHash: Buffer.from(line.previous_hash, "hex"),
        eventIds: events.map(({ id }: { id: string }) => id),
        digests: Buffer.concat(events.map(auditHashes.digest)),
      };
      expect(auditHashes.hash(content).toString("hex")).toBe(hash);
      expect(auditHashes.mac(trail.key, auditHashes.hash(content)).toString("hex")).toBe(mac);
    }
    expect(lines).toHaveLength(3);
  });

  test("goes on where the one before ended, and leaves the newest seal", async () => {
    await archiveBefore((await sealedAt(3)) ?? new Date());
    const { archived, lines } = await archiveBefore(new Date(Date.now() + 3_600_000));
    expect(lines.map(({ number }) => number)).toStrictEqual([3, 4]);
    expect(archived?.anchor.number).toBe(4);
    await seal(trail);
    expect((await verifyTrail(trail)).said).toStrictEqual([]);
    expect((await archiveBefore(new Date(0))).archived).toBeUndefined();
  });

  test("that is interrupted while it deletes leaves a whole trail, and is completed by the next", async () => {
    const own = createAuditArchive(trail.db);
    let left = 2;
    const interrupted = archiveBefore((await sealedAt(5)) ?? new Date(), async (number) => {
      if (left-- === 0) throw new Error("interrupted");
      return own.removeOldest(number);
    });
    await expect(interrupted).rejects.toThrow("interrupted");
    expect(await count("audit_seals")).toBeGreaterThan(1);
    expect((await verifyTrail(trail)).said).toStrictEqual([]);
    await archiveBefore(new Date(0));
    expect(await count("audit_seals")).toBe(1);
    expect((await verifyTrail(trail)).said).toStrictEqual([]);
  });

  test("takes nothing of a trail that is not whole", async () => {
    await tamper(trail, "UPDATE audit_events SET result = 'x' WHERE id = (SELECT max(id) FROM audit_events)");
    await expect(archiveBefore(new Date(Date.now() + 3_600_000))).rejects.toThrow("is not whole");
    expect(await count("audit_seals")).toBe(5);
    expect(await count("audit_anchors")).toBe(0);
  });
});

describe("a beginning that was cut off", () => {
  test("is no archive without the audit key", async () => {
    await tamper(
      trail,
      "INSERT INTO audit_anchors SELECT number, hash, sealed_at, now(), sha256('') FROM audit_seals WHERE number = 2",
      "DELETE FROM audit_events WHERE id IN (SELECT unnest(event_ids) FROM audit_seals WHERE number <= 2)",
      "DELETE FROM audit_seals WHERE number <= 2",
    );
    expect((await verifyTrail(trail)).said).toStrictEqual([
      "the anchor at seal 2 was not made with the audit key: what is before it was not archived",
    ]);
  });

  test("shows where the anchor is of another place", async () => {
    await archiveBefore((await sealedAt(3)) ?? new Date());
    await tamper(trail, "UPDATE audit_anchors SET number = 3");
    expect((await verifyTrail(trail)).said[0]).toMatch(/^the anchor at seal 3 was not made with the audit key/);
  });
});
