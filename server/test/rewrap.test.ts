import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { randomKey } from "../src/crypto/random.ts";
import { AuthError } from "../src/domain/errors.ts";
import { combineProviders } from "../src/kms/providers.ts";
import { createServerKeys } from "../src/postgres/server-keys.ts";
import { WRAPPED_KEYS } from "../src/postgres/wrapped-keys.ts";
import type { Kms } from "../src/service/ports.ts";
import { rewrapAll, type StoredKey, type WrappedKeys } from "../src/service/rewrap.ts";
import { openServerKey } from "../src/service/server-keys.ts";
import { openStandInKms, openTestLocalKms } from "./support/kms-providers.ts";
import { startAppForTest } from "./support/start-app.ts";

const contextOf = (id: string) => ({ purpose: "protected:1", subject: id });

/** A table in memory, with a hook before each write. */
function createTable(beforeReplace: (id: string, rows: Map<string, StoredKey>) => void = () => {}) {
  const rows = new Map<string, StoredKey>();
  const table: WrappedKeys = {
    async page(after, limit) {
      const ids = [...rows.keys()].sort().filter((id) => after === undefined || id > after);
      return ids.slice(0, limit).map((id) => ({ ...(rows.get(id) as StoredKey) }));
    },
    async replace(id, old, fresh) {
      beforeReplace(id, rows);
      const row = rows.get(id);
      if (row?.wrapped !== old) return false;
      row.wrapped = fresh;
      return true;
    },
  };
  return { rows, table };
}

/** Fills the table; the secrets, by id. */
async function fill(kms: Kms, rows: Map<string, StoredKey>, count: number): Promise<Map<string, Buffer>> {
  const secrets = new Map<string, Buffer>();
  for (let i = 0; i < count; i++) {
    const id = `user-${String(i).padStart(5, "0")}`;
    const secret = randomBytes(32);
    secrets.set(id, secret);
    rows.set(id, { id, wrapped: await kms.wrap(secret, contextOf(id)), context: contextOf(id) });
  }
  return secrets;
}

async function expectAllOpen(kms: Kms, rows: Map<string, StoredKey>, secrets: Map<string, Buffer>): Promise<void> {
  for (const [id, secret] of secrets) {
    const row = rows.get(id) as StoredKey;
    expect(await kms.unwrap(row.wrapped, row.context)).toStrictEqual({ secret, isCurrent: true });
  }
}

describe.each([
  ["the local KMS", openTestLocalKms],
  ["vault, on a stand-in", openStandInKms],
])("with %s, re-wrapping", (_name, openKms) => {
  test("takes every key of more than a page to the newest master key, and has nothing to do after that", async () => {
    const { kms, rotate, open } = await openKms();
    const { rows, table } = createTable();
    const secrets = await fill(kms, rows, 250);
    await rotate();
    const after = await open();
    expect(await rewrapAll(after, table)).toStrictEqual({ rewrapped: 250, current: 0, changed: 0, failed: [] });
    await expectAllOpen(after, rows, secrets);
    expect(await rewrapAll(after, table)).toStrictEqual({ rewrapped: 0, current: 250, changed: 0, failed: [] });
  });

  test("reports what does not open, leaves it as it is, and goes on", async () => {
    const { kms, rotate, open } = await openKms();
    const { rows, table } = createTable();
    await fill(kms, rows, 5);
    const [first, second, third] = [...rows.values()] as [StoredKey, StoredKey, StoredKey];
    [first.wrapped, second.wrapped] = [second.wrapped, first.wrapped];
    third.wrapped = "nothing that was wrapped";
    const before = [first.wrapped, second.wrapped, third.wrapped];
    await rotate();
    const failed = [first.id, second.id, third.id];
    expect(await rewrapAll(await open(), table)).toStrictEqual({ rewrapped: 2, current: 0, changed: 0, failed });
    expect([first.wrapped, second.wrapped, third.wrapped]).toStrictEqual(before);
  });
});

test("a row that was changed or deleted while it was re-wrapped keeps what was written", async () => {
  const { kms, rotate, open } = await openTestLocalKms();
  const { rows, table } = createTable((id, all) => {
    const row = all.get(id) as StoredKey;
    if (id === "user-00000") row.wrapped = "newer";
    if (id === "user-00001") all.delete(id);
  });
  await fill(kms, rows, 3);
  await rotate();
  expect(await rewrapAll(await open(), table)).toStrictEqual({ rewrapped: 1, current: 0, changed: 2, failed: [] });
  expect(rows.get("user-00000")?.wrapped).toBe("newer");
  expect(rows.has("user-00001")).toBe(false);
});

test("a KMS that goes away half-way ends it; begun anew, it does the rest", async () => {
  const { kms, rotate, open } = await openTestLocalKms();
  const { rows, table } = createTable();
  const secrets = await fill(kms, rows, 40);
  await rotate();
  const after = await open();
  let left = 20;
  const failing = {
    rewrap: async (...given: Parameters<typeof after.rewrap>) => {
      left -= 1;
      if (left < 0) throw new AuthError("unavailable");
      return after.rewrap(...given);
    },
  };
  await expect(rewrapAll(failing, table)).rejects.toMatchObject({ reason: "unavailable" });
  const { rewrapped, current, failed } = await rewrapAll(after, table);
  expect(rewrapped + current).toBe(40);
  expect(current).toBeGreaterThanOrEqual(16);
  expect(failed).toStrictEqual([]);
  await expectAllOpen(after, rows, secrets);
});

test("a provider is left by it: afterwards the new one opens everything alone", async () => {
  const local = await openTestLocalKms();
  const vault = await openStandInKms();
  const { rows, table } = createTable();
  const secrets = await fill(local.kms, rows, 20);
  const both = combineProviders({ kms: vault.kms, prefix: "vault:" }, [{ kms: local.kms, prefix: "kms1." }]);
  expect((await rewrapAll(both, table)).rewrapped).toBe(20);
  await expectAllOpen(vault.kms, rows, secrets);
});

test("the server's own keys are re-wrapped in their table, and are the same keys", async () => {
  const server = await startAppForTest();
  const { database } = server.app.stores;
  const { kms, rotate, open } = await openTestLocalKms();
  await server.db.query("DELETE FROM server_keys");
  const table = WRAPPED_KEYS["server_keys"]?.(database) ?? expect.unreachable();
  const deps = { kms, serverKeys: createServerKeys(database), randomKey };
  const before = [await openServerKey(deps, "one"), await openServerKey(deps, "two")];
  await rotate();
  const after = await open();
  expect((await rewrapAll(after, table)).rewrapped).toBe(2);
  expect((await rewrapAll(after, table)).current).toBe(2);
  const again = { ...deps, kms: after };
  expect([await openServerKey(again, "one"), await openServerKey(again, "two")]).toStrictEqual(before);
  expect(await table.page("one", 10)).toMatchObject([{ id: "two" }]);
  expect(await table.replace("one", "not what stands there", "x")).toBe(false);
});
