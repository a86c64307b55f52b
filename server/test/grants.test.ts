import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { grantsSeal } from "../src/crypto/grants-seal.ts";
import { createGrantsSource } from "../src/postgres/grants.ts";
import { createGrants, type Grants, type SharedGrants } from "../src/service/grants.ts";
import { newMember, newRole } from "./support/admin.ts";
import { me } from "./support/client.ts";
import { startAppForTest } from "./support/start-app.ts";

const ADMIN: Grants = { roles: ["admin"], permissions: ["*:*"] };
const assigned = (names = ["user"], key = randomBytes(32)) => ({ names, key });

/** A shared store that remembers, and can be looked into. */
function createShared() {
  const entries = new Map<string, string>();
  const shared: SharedGrants = {
    get: async (id) => entries.get(id),
    set: async (id, sealed) => void entries.set(id, sealed),
  };
  return { entries, shared };
}

/** A database whose roles come to what the test says, and that counts how often it is asked. */
function createSource(key = randomBytes(32)) {
  const source = {
    key,
    asked: 0,
    grants: { roles: ["user"], permissions: [] } as Grants,
    async load() {
      source.asked++;
      return { grants: structuredClone(source.grants), key: source.key };
    },
  };
  return source;
}

describe("what roles come to, outside the database", () => {
  test("opens for the same roles under the same key", () => {
    const of = assigned(["a", "b"]);
    expect(grantsSeal.open(of, grantsSeal.seal(of, ADMIN))).toStrictEqual(ADMIN);
    expect(grantsSeal.id(of)).toBe(grantsSeal.id({ ...of }));
  });

  test("opens for no other roles, under no other key, and not when a letter is another", () => {
    const of = assigned(["a", "b"]);
    const sealed = grantsSeal.seal(of, ADMIN);
    const others = [
      { ...of, names: ["a"] },
      { ...of, names: ["b", "a"] },
      { ...of, names: ["a,b"] },
      { ...of, names: ['a","b'] },
      { ...of, key: randomBytes(32) },
    ];
    for (const other of others) {
      expect(grantsSeal.open(other, sealed)).toBeUndefined();
      expect(grantsSeal.id(other)).not.toBe(grantsSeal.id(of));
    }
    for (let i = 0; i < sealed.length; i++) {
      const letter = String.fromCharCode(sealed.charCodeAt(i) ^ 1);
      expect(grantsSeal.open(of, sealed.slice(0, i) + letter + sealed.slice(i + 1))).toBeUndefined();
    }
    for (const text of ["", "{}", sealed.slice(1), sealed.slice(43), `${sealed} `, grantsSeal.id(of)]) {
      expect(grantsSeal.open(of, text)).toBeUndefined();
    }
  });
});

describe("what roles come to", () => {
  test("is asked of the database once, and of nothing for as long as the key stays", async () => {
    const { entries, shared } = createShared();
    const source = createSource();
    const [one, other] = [source, source].map((database) =>
      createGrants({ source: database, shared, seal: grantsSeal }),
    );
    for (let i = 0; i < 3; i++) await one?.({ names: ["user"], key: source.key });
    expect([source.asked, entries.size]).toStrictEqual([1, 1]);
    await other?.({ names: ["user"], key: source.key });
    expect(source.asked).toBe(1);
    expect(await other?.({ names: ["admin"], key: source.key })).toStrictEqual(source.grants);
    expect(source.asked).toBe(2);
  });

  test("is asked again under another key, whatever is remembered under the old one", async () => {
    const { shared } = createShared();
    const source = createSource();
    const grants = createGrants({ source, shared, seal: grantsSeal });
    const old = source.key;
    source.grants = ADMIN;
    expect(await grants({ names: ["user"], key: old })).toStrictEqual(ADMIN);
    source.key = randomBytes(32);
    source.grants = { roles: ["user"], permissions: [] };
    expect(await grants({ names: ["user"], key: source.key })).toStrictEqual(source.grants);
  });

  test("is remembered under the key of what was read, when it changed on the way", async () => {
    const { shared } = createShared();
    const source = createSource();
    const grants = createGrants({ source, shared, seal: grantsSeal });
    const stale = randomBytes(32);
    await grants({ names: ["user"], key: stale });
    source.grants = ADMIN;
    expect(await grants({ names: ["user"], key: stale })).toStrictEqual(ADMIN);
    expect(source.asked).toBe(2);
  });

  test("is nothing that somebody else put there", async () => {
    const { entries, shared } = createShared();
    const source = createSource();
    const of = { names: ["user"], key: source.key };
    entries.set(grantsSeal.id(of), grantsSeal.seal({ ...of, key: randomBytes(32) }, ADMIN));
    const grants = createGrants({ source, shared, seal: grantsSeal });
    expect(await grants(of)).toStrictEqual({ roles: ["user"], permissions: [] });
  });

  test("cannot be changed by who is told", async () => {
    const source = createSource();
    const grants = createGrants({ source, shared: undefined, seal: grantsSeal });
    const told = await grants({ names: ["user"], key: source.key });
    expect(() => told.permissions.push("*:*")).toThrow(TypeError);
  });
});

test("the key is another one after each change of a role, and the same after any other", async () => {
  const server = await startAppForTest();
  const source = createGrantsSource(server.app.stores.database);
  const keyOf = async () => (await source.load([])).key.toString("hex");
  const role = await newRole(server);
  const changes = [
    ["INSERT INTO role_permissions VALUES ($1, 'a:b')", [role]],
    ["UPDATE role_permissions SET permission = 'a:c' WHERE role = $1", [role]],
    ["INSERT INTO role_parents VALUES ($1, 'user')", [role]],
    ["DELETE FROM role_parents WHERE role = $1", [role]],
    ["DELETE FROM roles WHERE name = $1", [role]],
    ["TRUNCATE role_parents", []],
  ] as const;
  const keys = [await keyOf()];
  for (const [sql, values] of changes) {
    await server.db.query(sql, [...values]);
    keys.push(await keyOf());
  }
  expect(new Set(keys).size).toBe(changes.length + 1);
  await newMember(server, ["admin"]);
  await server.db.query("UPDATE users SET mfa_enabled = true");
  expect(await keyOf()).toBe(keys.at(-1));
});

test("a call of a bearer costs the database one statement once the roles are known", async () => {
  const server = await startAppForTest();
  const member = await newMember(server);
  await me(server.url, member.access_token);
  const pool = server.app.stores.database;
  const connect = pool.connect.bind(pool);
  let lent = 0;
  pool.connect = ((...args: []) => {
    lent++;
    return connect(...args);
  }) as typeof pool.connect;
  for (let i = 0; i < 5; i++) expect((await me(server.url, member.access_token)).status).toBe(200);
  expect(lent).toBe(5);
});
