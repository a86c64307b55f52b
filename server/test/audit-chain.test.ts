import { describe, expect, test } from "vitest";
import { auditHashes } from "../src/crypto/audit-chain.ts";
import { SEALED_FIELDS, type SealableEvent } from "../src/service/audit-chain-ports.ts";

const USER = "0b6b2f0e-5f3c-4a51-9d8e-3c1f6f2a7b10";
const EVENT: SealableEvent = {
  id: "42",
  recorded_at: "2026-01-31T12:00:00.123456Z",
  occurred_at: "2026-01-31T12:00:00.120000Z",
  type: "login.succeeded",
  result: "success",
  actor_id: USER,
  subject_id: USER,
  session_id: null,
  ip: "203.0.113.7/32",
  user_agent: "Mozilla/5.0 (ü)",
  request_id: "req-1",
  detail: '{"by": "cli"}',
};
const SPARSE: SealableEvent = {
  ...EVENT,
  id: "43",
  recorded_at: null,
  type: "login.failed",
  result: "failure",
  actor_id: null,
  subject_id: null,
  ip: null,
  user_agent: "",
  request_id: "",
  detail: "{}",
};
const KEY = Buffer.from(Array.from({ length: 32 }, (_, index) => index));
const seal = {
  number: 1,
  sealedAt: "2026-01-31T12:00:01.000000Z",
  complete: true,
  previousHash: auditHashes.genesis,
  eventIds: ["42", "43"],
  digests: Buffer.concat([auditHashes.digest(EVENT), auditHashes.digest(SPARSE)]),
};
const hash = auditHashes.hash(seal);

/** The figures were computed by another program, in Python, from the text of docs/audit.md. */
describe("the known answers", () => {
  test("of an event", () => {
    const expected = "171a357fc9bc0e54add0c1d9f729a5de957eddeee2422dd24792e8daf8f033fc";
    expect(auditHashes.digest(EVENT).toString("hex")).toBe(expected);
  });
  test("of an event with nulls and empty texts", () => {
    const expected = "97857bd34d1ca48641d1f743c2471a008fac7a5ee28403090c16f130c0d93016";
    expect(auditHashes.digest(SPARSE).toString("hex")).toBe(expected);
  });
  test("of a seal and its MAC", () => {
    expect(hash.toString("hex")).toBe("110d5e7d27c5c5689be2ad75c5f362f944b9a52d0a8714a7604617478a06aa79");
    const mac = "24d907e79bc212ced486cf1b4988df61a51991ce99b1fa3639f93190d6466da1";
    expect(auditHashes.mac(KEY, hash).toString("hex")).toBe(mac);
  });
  test("of an anchor", () => {
    const mac = "0015756f02a0a1dec01ed5caa68d9557a19580c8aeb802c7907ef4b290a023a2";
    const anchor = { number: 1, hash, sealedAt: seal.sealedAt, archivedAt: "2027-01-31T12:00:00.000000Z" };
    expect(auditHashes.anchorMac(KEY, anchor).toString("hex")).toBe(mac);
  });
});

describe("no two", () => {
  test.each(SEALED_FIELDS)("events that differ in %s have one digest", (field) => {
    const values = ["null stands for itself", "", "0", "null"];
    const events = [{ ...EVENT, [field]: null }, ...values.map((value) => ({ ...EVENT, [field]: value }))];
    const digests = [EVENT, ...events].map((event) => auditHashes.digest(event as SealableEvent).toString("hex"));
    // Of the one field that is null in EVENT, the first two are the same event.
    expect(new Set(digests).size).toBe(EVENT[field] === null ? 5 : 6);
  });

  test("events have one digest because a text moved from one field to the next", () => {
    const moved = { ...EVENT, user_agent: "Mozilla/5.0 (ü)r", request_id: "eq-1" };
    expect(auditHashes.digest(moved)).not.toStrictEqual(auditHashes.digest(EVENT));
  });

  test.each([
    ["number", { number: 2 }],
    ["time", { sealedAt: "2026-01-31T12:00:01.000001Z" }],
    ["completeness", { complete: false }],
    ["place in the chain", { previousHash: hash }],
    ["events", { eventIds: ["42", "44"] }],
    ["order of events", { eventIds: ["43", "42"] }],
    ["digests", { digests: Buffer.concat([auditHashes.digest(SPARSE), auditHashes.digest(EVENT)]) }],
  ])("seals that differ in %s have one hash", (_name, change) => {
    expect(auditHashes.hash({ ...seal, ...change })).not.toStrictEqual(hash);
  });

  test("keys make one MAC, and no MAC is that of a seal and of an anchor", () => {
    expect(auditHashes.mac(Buffer.alloc(32, 1), hash)).not.toStrictEqual(auditHashes.mac(KEY, hash));
    const anchor = { number: 1, hash, sealedAt: seal.sealedAt, archivedAt: seal.sealedAt };
    expect(auditHashes.anchorMac(KEY, anchor)).not.toStrictEqual(auditHashes.mac(KEY, hash));
  });

  test("texts of different length are equal", () => {
    expect(auditHashes.equal(hash, hash.subarray(0, 31))).toBe(false);
    expect(auditHashes.equal(hash, Buffer.from(hash))).toBe(true);
  });
});
