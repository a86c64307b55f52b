import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Database, inTransaction, openDatabase, run, statement } from "../src/postgres/database.ts";
import { isOutage } from "../src/postgres/outages.ts";
import { createTestDatabase, dropTestDatabase } from "./support/start-app.ts";

let url: string;
let db: Database;
beforeAll(async () => {
  url = await createTestDatabase();
  // One connection: what a statement leaves behind is what the next one meets.
  db = openDatabase({ url, poolSize: 1, onError: () => undefined });
});
afterAll(async () => {
  await db.end();
  await dropTestDatabase(url);
});

const ECHO = statement<{ value: string }>("echo", "SELECT $1::text AS value");
const SLEEP = statement("sleep", "SELECT pg_sleep(3)");

/** A value that no wire format has. */
function circular(): object {
  const value: Record<string, unknown> = {};
  value["self"] = value;
  return value;
}

const outcomeOf = (work: Promise<unknown>) =>
  work.then(
    () => "done",
    (error) => error,
  );

describe("an error of a programmer", () => {
  test("is thrown as it is, and the next statement is served", async () => {
    const error = await outcomeOf(run(db, ECHO, [circular()]));
    expect(error).toMatchObject({ message: expect.stringContaining("circular") });
    expect(error).not.toHaveProperty("reason");
    expect(await run(db, ECHO, ["x"])).toStrictEqual([{ value: "x" }]);
  });

  test("in a transaction is thrown as it is, rolls back, and hides behind no time-out", async () => {
    const name = statement("create", "CREATE TABLE left_behind (id int)");
    const work = inTransaction(db, async (transaction) => {
      await run(transaction, name, []);
      await run(transaction, ECHO, [circular()]);
    });
    expect(await outcomeOf(work)).toMatchObject({ message: expect.stringContaining("circular") });
    expect(await run(db, ECHO, ["x"])).toStrictEqual([{ value: "x" }]);
    const exists = statement<{ found: string | null }>("exists", "SELECT to_regclass('left_behind') AS found");
    expect(await run(db, exists, [])).toStrictEqual([{ found: null }]);
  });

  test("of the code around the statements is thrown as it is, and rolls back", async () => {
    const bug = new TypeError("x is not a function");
    expect(await outcomeOf(inTransaction(db, () => Promise.reject(bug)))).toBe(bug);
    expect(await run(db, ECHO, ["x"])).toStrictEqual([{ value: "x" }]);
  });

  test("in SQL is PostgreSQL's own", async () => {
    const error = await outcomeOf(run(db, statement("wrong", "SELECT no_such_column"), []));
    expect(error).toMatchObject({ code: "42703" });
    expect(error).not.toHaveProperty("reason");
  });
});

describe("an outage", () => {
  test.each([
    ["a port where nobody listens", "postgres://127.0.0.1:1/none"],
    ["a name that nobody has", "postgres://no-such-host.invalid/none"],
    ["a Unix socket that is not there", "postgres:///none?host=/nowhere"],
  ])("is unavailable, with its cause: %s", async (_name, dead) => {
    const none = openDatabase({ url: dead, poolSize: 1, onError: () => undefined });
    expect(await outcomeOf(run(none, ECHO, ["x"]))).toMatchObject({
      reason: "unavailable",
      cause: { message: expect.any(String) },
    });
    await none.end();
  });

  test("is a statement that takes too long, and the next one is served", async () => {
    expect(await outcomeOf(run(db, SLEEP, []))).toMatchObject({ reason: "unavailable" });
    expect(await run(db, ECHO, ["x"])).toStrictEqual([{ value: "x" }]);
  });

  test("is a pool that was closed", async () => {
    const closed = openDatabase({ url, poolSize: 1, onError: () => undefined });
    await closed.end();
    expect(await outcomeOf(run(closed, ECHO, ["x"]))).toMatchObject({ reason: "unavailable" });
  });

  test.each(["ECONNREFUSED", "ECONNRESET", "EPIPE", "ETIMEDOUT", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH"])(
    "is %s",
    (code) => {
      expect(isOutage(Object.assign(new Error("connect"), { code }))).toBe(true);
    },
  );

  test.each([new TypeError("x is undefined"), new Error("anything"), { code: "ECONNREFUSED" }, undefined])(
    "is not %s",
    (error) => {
      expect(isOutage(error)).toBe(false);
    },
  );
});
