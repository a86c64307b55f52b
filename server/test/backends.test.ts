import { Redis } from "ioredis";
import pg from "pg";
import { describe, expect, inject, test } from "vitest";

/** What the caller of this run says must be exercised, separated by commas. */
const required = (process.env["SELLO_REQUIRE"] ?? "").split(",");

describe("this run", () => {
  test("is on the PostgreSQL it was given, or on the embedded one", async () => {
    const given = process.env["DATABASE_URL"];
    expect(given === undefined && required.includes("postgresql")).toBe(false);
    if (given !== undefined) expect(inject("databaseServer")).toBe(given);
    const client = new pg.Client({ connectionString: inject("databaseServer") });
    await client.connect();
    const { rows } = await client.query("SELECT current_setting('server_version_num')::int AS version");
    await client.end();
    expect(rows[0].version).toBeGreaterThanOrEqual(130_000);
  });

  test("is on the Redis it was given, where one must be", async () => {
    const url = inject("redisUrl");
    expect(url === undefined && required.includes("redis")).toBe(false);
    if (url === undefined) return;
    const redis = new Redis(url);
    expect(await redis.ping()).toBe("PONG");
    redis.disconnect();
  });
});
