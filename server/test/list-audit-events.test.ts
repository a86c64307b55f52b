import { randomUUID } from "node:crypto";
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createAuditTrail } from "../src/postgres/audit-trail.ts";
import type { AuditFilter } from "../src/service/audit-ports.ts";
import { listAuditEvents } from "../src/service/list-audit-events.ts";
import { createTestDatabase, dropTestDatabase, openTestPool } from "./support/start-app.ts";

const [ALICE, BOB, SESSION] = [randomUUID(), randomUUID(), randomUUID()];

let databaseUrl: string;
let db: pg.Pool;
/** An event a minute: the even ones are logins of Alice, every tenth a failure for Bob. */
beforeAll(async () => {
  databaseUrl = await createTestDatabase();
  db = openTestPool(databaseUrl, 2);
  await db.query(
    `INSERT INTO audit_events (occurred_at, type, result, actor_id, subject_id, session_id, ip, user_agent, request_id, detail)
    SELECT '2026-01-01T00:00:00Z'::timestamptz + make_interval(mins => n),
      CASE WHEN n % 10 = 0 THEN 'login.failed' ELSE 'login.succeeded' END, CASE WHEN n % 10 = 0 THEN 'failure' ELSE 'success' END,
      CASE WHEN n % 10 = 0 THEN NULL WHEN n % 2 = 0 THEN $1::uuid ELSE $2::uuid END, CASE WHEN n % 10 = 0 THEN $2::uuid ELSE $1::uuid END,
      CASE WHEN n < 5 THEN $3::uuid END, '203.0.113.7', 'agent', 'r-' || n, jsonb_build_object('n', n)
    FROM generate_series(1, 20000) AS n`,
    [ALICE, BOB, SESSION],
  );
  await db.query("VACUUM ANALYZE audit_events");
});
afterAll(async () => {
  await db.end();
  await dropTestDatabase(databaseUrl);
});

type Input = AuditFilter & { pageSize?: number; pageToken?: string };
const list = ({ pageSize = 0, pageToken = "", ...filter }: Input) =>
  listAuditEvents({ auditTrail: createAuditTrail(db) }, { filter, pageSize, pageToken });
const numbers = async (input: Input) => (await list(input)).events.map(({ detail }) => detail["n"]);

describe("the list of events", () => {
  test("has the newest first, 50 unless asked for more or fewer", async () => {
    const { events, nextPageToken } = await list({});
    expect(events).toHaveLength(50);
    expect(nextPageToken).not.toBe("");
    expect(events[0]).toStrictEqual({
      id: "20000",
      occurredAt: new Date("2026-01-14T21:20:00Z"),
      type: "login.failed",
      result: "failure",
      actorId: undefined,
      subjectId: BOB,
      sessionId: undefined,
      ip: "203.0.113.7",
      userAgent: "agent",
      requestId: "r-20000",
      detail: { n: 20_000 },
    });
    expect((await list({ pageSize: 100 })).events).toHaveLength(100);
  });

  test("goes on page by page, without a gap or an event twice, though others are added meanwhile", async () => {
    const seen: unknown[] = [];
    let pageToken = "";
    for (let page = 0; page < 4; page++) {
      const answer = await list({ pageSize: 3, pageToken });
      seen.push(...answer.events.map(({ detail }) => detail["n"]));
      pageToken = answer.nextPageToken;
    }
    expect(seen).toStrictEqual(Array.from({ length: 12 }, (_, index) => 20_000 - index));
  });

  test.each([
    ["type", { type: "login.failed" }, [20_000, 19_990, 19_980]],
    ["actor", { actorId: ALICE }, [19_998, 19_996, 19_994]],
    ["subject", { subjectId: BOB.toUpperCase() }, [20_000, 19_990, 19_980]],
    ["session", { sessionId: SESSION }, [4, 3, 2]],
    ["begin", { from: new Date("2026-01-14T21:19:00Z") }, [20_000, 19_999]],
    ["end, which it does not include", { to: new Date("2026-01-01T00:03:00Z") }, [2, 1]],
    ["type and actor", { type: "login.succeeded", actorId: BOB }, [19_999, 19_997, 19_995]],
    [
      "everything at once",
      {
        ...{ type: "login.succeeded", actorId: ALICE, subjectId: ALICE, sessionId: SESSION },
        ...{ from: new Date("2026-01-01T00:00:00Z"), to: new Date("2026-01-01T00:04:00Z") },
      },
      [2],
    ],
    ["a type that there is not", { type: "nothing.happened" }, []],
  ])("is narrowed by %s", async (_name, filter, expected) => {
    expect(await numbers({ pageSize: 3, ...filter })).toStrictEqual(expected);
  });

  test("ends with an empty token, at a full page too", async () => {
    expect((await list({ pageSize: 4, sessionId: SESSION })).nextPageToken).toBe("");
    const first = await list({ pageSize: 3, sessionId: SESSION });
    expect(await numbers({ pageSize: 3, sessionId: SESSION, pageToken: first.nextPageToken })).toStrictEqual([1]);
  });

  test.each([
    [{ pageSize: 101 }, "page_size"],
    [{ pageSize: -1 }, "page_size"],
    [{ pageSize: 1.5 }, "page_size"],
    [{ pageToken: "x" }, "page_token"],
    [{ pageToken: "-1" }, "page_token"],
    [{ pageToken: "9999999999999999999" }, "page_token"],
    [{ actorId: "alice" }, "actor_id"],
    [{ subjectId: "1" }, "subject_id"],
    [{ sessionId: "'" }, "session_id"],
    [{ type: "login'; --" }, "type"],
    [{ from: new Date(2), to: new Date(1) }, "from"],
  ])("refuses %o", async (input, field) => {
    const refused = { reason: "validation_failed", publicMessage: expect.stringMatching(`^${field}: must`) };
    await expect(list(input)).rejects.toMatchObject(refused);
  });

  test.each([
    ["type = 'x'", "audit_events_type_idx"],
    ["actor_id = gen_random_uuid()", "audit_events_actor_idx"],
    ["subject_id = gen_random_uuid()", "audit_events_subject_idx"],
    ["session_id = gen_random_uuid()", "audit_events_session_idx"],
    ["occurred_at < '2026-01-01T01:00:00Z'", "audit_events_occurred_at_idx"],
    ["id < 15000", "audit_events_pkey"],
  ])("is served by an index: %s", async (where, index) => {
    const condition = where.replace("gen_random_uuid()", `'${randomUUID()}'`);
    const { rows } = await db.query(`EXPLAIN SELECT * FROM audit_events WHERE ${condition} ORDER BY id DESC LIMIT 50`);
    expect(rows.map((row) => row["QUERY PLAN"]).join("\n")).toContain(index);
  });
});
