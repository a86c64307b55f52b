import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { randomKey } from "../src/crypto/random.ts";
import { createServerKeys } from "../src/postgres/server-keys.ts";
import { openServerKey, serverKeyContext } from "../src/service/server-keys.ts";
import { openTestLocalKms } from "./support/kms-providers.ts";
import { startApp, startAppForTest } from "./support/start-app.ts";

const rowsOf = async (server: Awaited<ReturnType<typeof startApp>>) =>
  (await server.db.query<{ purpose: string; wrapped_key: string }>("SELECT purpose, wrapped_key FROM server_keys"))
    .rows;

describe("a key of the server's own", () => {
  test("is made once, by whichever of many replicas is first, and is the same for all", async () => {
    const server = await startAppForTest();
    const { kms } = await openTestLocalKms();
    const serverKeys = createServerKeys(server.app.stores.database);
    const deps = { kms, serverKeys, randomKey };
    const keys = await Promise.all(Array.from({ length: 20 }, () => openServerKey(deps, "raced")));
    expect(new Set(keys.map((key) => key.toString("hex"))).size).toBe(1);
    expect(keys[0]).toHaveLength(32);
    expect((await openServerKey(deps, "another")).equals(keys[0] as Buffer)).toBe(false);
  });

  test("is stored wrapped, and made at the first start alone", async () => {
    const server = await startAppForTest();
    const before = await rowsOf(server);
    expect(before).toStrictEqual([{ purpose: "identifiers", wrapped_key: expect.stringMatching(/^kms1\./) }]);
    await startAppForTest({ databaseUrl: server.databaseUrl, keysDir: server.keysDir });
    expect(await rowsOf(server)).toStrictEqual(before);
  });

  test.each([
    ["for another purpose", serverKeyContext("another")],
    ["for a user", { purpose: "user-key:server-key:identifiers", subject: "sello" }],
    ["by another master key", undefined],
  ])("that was wrapped %s stops the start, in a sentence", async (_what, context) => {
    const server = await startAppForTest();
    const { kms } = await openTestLocalKms();
    const wrapping = context === undefined ? kms : server.app.deps.kms;
    const wrapped = await wrapping.wrap(randomBytes(32), context ?? serverKeyContext("identifiers"));
    await server.db.query("UPDATE server_keys SET wrapped_key = $1", [wrapped]);
    const replica = startApp({ databaseUrl: server.databaseUrl, keysDir: server.keysDir });
    await expect(replica).rejects.toMatchObject({
      name: "StartError",
      message: expect.stringMatching(
        /^KMS_PROVIDER, DATABASE_URL: the key identifiers of the table server_keys was wrapped by another/,
      ),
    });
  });
});
