import { beforeEach, describe, expect, test } from "vitest";
import { EVENTS_PER_SEAL } from "../src/service/seal-audit.ts";
import { insertEvents, seal, startTrail, type Trail, tamper, verifyTrail } from "./support/audit.ts";

const NEW_EVENT = "INSERT INTO audit_events (id, occurred_at, recorded_at, type, result, user_agent, request_id)";

let trail: Trail;
/** Five seals of ten events each. */
beforeEach(async () => {
  trail = await startTrail();
  for (let number = 1; number <= 5; number++) {
    await insertEvents(trail, 10);
    await seal(trail);
  }
  expect(await verifyTrail(trail)).toMatchObject({ said: [], seals: 5, events: 50 });
});

const eventOf = async (number: number, place: number) =>
  (await trail.db.query(`SELECT event_ids[$2] AS id FROM audit_seals WHERE number = $1`, [number, place])).rows[0].id;
const findings = async () => (await verifyTrail(trail)).said;

describe("the verification finds", () => {
  test.each([
    ["id", "id + 1000000"],
    ["occurred_at", "occurred_at + interval '1 microsecond'"],
    ["recorded_at", "recorded_at - interval '1 microsecond'"],
    ["type", "'login.failed'"],
    ["result", "'failure'"],
    ["actor_id", "NULL"],
    ["subject_id", "gen_random_uuid()"],
    ["session_id", "NULL"],
    ["ip", "'203.0.113.7/24'"],
    ["user_agent", "user_agent || ' '"],
    ["request_id", "''"],
    ["detail", `'{"by": "cli"}'`],
  ])("an event whose %s was changed", async (column, value) => {
    const id = await eventOf(3, 4);
    await tamper(trail, `ALTER TABLE audit_events ALTER id DROP IDENTITY`);
    await tamper(trail, `UPDATE audit_events SET ${column} = ${value} WHERE id = ${id}`);
    const found = await findings();
    expect(found[0]).toMatch(new RegExp(`^event ${id} (was changed after seal 3|of seal 3 is gone)$`));
  });

  test("an event that is gone", async () => {
    const id = await eventOf(2, 7);
    await tamper(trail, `DELETE FROM audit_events WHERE id = ${id}`);
    expect(await findings()).toStrictEqual([`event ${id} of seal 2 is gone`]);
  });

  test("two events that changed places", async () => {
    const [one, other] = [await eventOf(2, 1), await eventOf(4, 1)];
    await tamper(
      trail,
      "ALTER TABLE audit_events ALTER id DROP IDENTITY",
      `UPDATE audit_events SET id = -1 WHERE id = ${one}`,
      `UPDATE audit_events SET id = ${one} WHERE id = ${other}`,
      `UPDATE audit_events SET id = ${other} WHERE id = -1`,
    );
    expect(await findings()).toStrictEqual([
      `event ${one} was changed after seal 2`,
      `event ${other} was changed after seal 4`,
    ]);
  });

  test("an event that was put in and waits for no seal", async () => {
    await tamper(trail, `${NEW_EVENT} OVERRIDING SYSTEM VALUE VALUES (-5, now(), now(), 'x', 'success', '', '')`);
    expect(await findings()).toStrictEqual(["event -5 is in no seal and waits for none"]);
  });

  test.each([
    ["both its times", "now() - interval '1 day', now() - interval '1 day'", /^event -5 was put in later: recorded /],
    [
      "no time of its recording",
      "now() - interval '1 day', NULL",
      /^event -5 was put in later: recorded before the chain/,
    ],
    ["the time that it occurred", "now() - interval '1 day', now()", /^event -5 says that it occurred /],
  ])("an event that was put in with %s in the past, and sealed", async (_name, times, finding) => {
    await trail.db.query(`${NEW_EVENT} OVERRIDING SYSTEM VALUE VALUES (-5, ${times}, 'x', 'success', '', '')`);
    await tamper(trail, "UPDATE audit_events SET recorded_at = NULL WHERE id = -5 AND recorded_at IS NULL");
    await seal(trail);
    expect(await findings()).toStrictEqual([expect.stringMatching(finding)]);
  });

  test("an event that is gone before it was sealed", async () => {
    await insertEvents(trail, 2);
    const { rows } = await trail.db.query("SELECT max(event_id) AS id FROM audit_unsealed");
    await tamper(trail, `DELETE FROM audit_events WHERE id = ${rows[0].id}`);
    expect(await findings()).toStrictEqual([`event ${rows[0].id} is gone, before it was sealed`]);
  });

  test("an event that was taken out of the queue", async () => {
    await insertEvents(trail, 1);
    const { rows } = await trail.db.query("DELETE FROM audit_unsealed RETURNING event_id AS id");
    expect(await findings()).toStrictEqual([`event ${rows[0].id} is in no seal and waits for none`]);
  });

  test("a seal that is gone", async () => {
    const ids = (await trail.db.query("SELECT event_ids FROM audit_seals WHERE number = 3")).rows[0].event_ids;
    await tamper(trail, "DELETE FROM audit_seals WHERE number = 3");
    const found = await findings();
    expect(found).toContain("seal 3 is missing");
    expect(found).toContain(`event ${ids[0]} is in no seal and waits for none`);
  });

  test("the first seals gone", async () => {
    await tamper(
      trail,
      "DELETE FROM audit_events WHERE id IN (SELECT unnest(event_ids) FROM audit_seals WHERE number < 3)",
    );
    await tamper(trail, "DELETE FROM audit_seals WHERE number < 3");
    expect(await findings()).toStrictEqual(["seals 1 to 2 are missing"]);
  });

  test("seals that changed places", async () => {
    await tamper(
      trail,
      "UPDATE audit_seals SET number = 100 WHERE number = 2",
      "UPDATE audit_seals SET number = 2 WHERE number = 3",
      "UPDATE audit_seals SET number = 3 WHERE number = 100",
    );
    const found = await findings();
    expect(found).toContain("seal 2 does not go on from the one before it");
    expect(found).toContain("seal 3 was changed: its hash is not that of its content");
  });

  test.each([
    ["sealed_at", "sealed_at + interval '1 microsecond'"],
    ["complete", "NOT complete"],
    ["digests", "overlay(digests PLACING '\\x00' FROM 1 FOR 1)"],
    ["event_ids", "array_reverse_for_test(event_ids)"],
    ["previous_hash", "sha256('')"],
    ["hash", "sha256('')"],
    ["mac", "sha256('')"],
  ])("a seal whose %s was changed", async (column, value) => {
    await tamper(
      trail,
      `CREATE FUNCTION array_reverse_for_test(bigint[]) RETURNS bigint[] LANGUAGE sql AS
      $$ SELECT array_agg(id ORDER BY place DESC) FROM unnest($1) WITH ORDINALITY AS u (id, place) $$`,
      `UPDATE audit_seals SET ${column} = ${value} WHERE number = 3`,
    );
    expect((await findings()).some((finding) => finding.startsWith("seal 3 "))).toBe(true);
  });

  test("a chain that the owner of the tables computed anew without the key, from the event that was changed on", async () => {
    const id = await eventOf(4, 1);
    await tamper(
      trail,
      `UPDATE audit_events SET result = 'failure' WHERE id = ${id}`,
      "INSERT INTO audit_unsealed (event_id) SELECT unnest(event_ids) FROM audit_seals WHERE number >= 4",
      "DELETE FROM audit_seals WHERE number >= 4",
    );
    await seal({ ...trail, key: Buffer.alloc(32, 8) });
    expect(await findings()).toStrictEqual(["seal 4 was not made with the audit key"]);
    expect((await verifyTrail(trail, { withoutKey: true })).said).toStrictEqual([]);
  });

  test("a tail that was cut off, events and all, by a head that was kept, and by nothing else", async () => {
    const { head } = await verifyTrail(trail);
    const expected = head === undefined ? [] : [head];
    expect((await verifyTrail(trail, { expected })).said).toStrictEqual([]);
    await tamper(
      trail,
      "DELETE FROM audit_events WHERE id IN (SELECT unnest(event_ids) FROM audit_seals WHERE number > 3)",
      "DELETE FROM audit_seals WHERE number > 3",
    );
    expect(await findings()).toStrictEqual([]);
    const gone = "seal 5, which you expect, is not there: the chain was cut off before it, or is another one";
    expect((await verifyTrail(trail, { expected })).said).toStrictEqual([gone]);
    await insertEvents(trail, 1);
    await seal(trail);
    await insertEvents(trail, 1);
    await seal(trail);
    const anew = "seal 5 has another hash than you expect: the chain was written anew";
    expect((await verifyTrail(trail, { expected })).said).toStrictEqual([anew]);
  });
});

describe("the verification", () => {
  test("tells of what waits, and takes it for no finding", async () => {
    await insertEvents(trail, 3);
    expect(await verifyTrail(trail)).toMatchObject({ said: [], waiting: 3, seals: 5 });
  });

  test("follows a trail in many pieces", async () => {
    await insertEvents(trail, 25 * EVENTS_PER_SEAL);
    await seal(trail);
    const { said, seals, events } = await verifyTrail(trail);
    expect({ said, events }).toStrictEqual({ said: [], events: 50 + 25 * EVENTS_PER_SEAL });
    expect(seals).toBeGreaterThan(29);
  });
});
