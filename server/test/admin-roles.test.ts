import { RoleService } from "@sello/gen/admin/v1/role_service_pb";
import { UserService } from "@sello/gen/admin/v1/user_service_pb";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { callAdmin, type Member, newAdmin, newHolder, newMember, newRole } from "./support/admin.ts";
import { loginUser, me } from "./support/client.ts";
import { WAYS } from "./support/each-protocol.ts";
import { startApp, startAppForTest, type TestApp } from "./support/start-app.ts";
import { countEvents } from "./support/stored.ts";
import { openWire, type Wire } from "./support/wire.ts";

const { listRoles, getRole, createRole, updateRole, deleteRole, assignRole, revokeRole } = RoleService.method;
const { updateUser, deleteUser, revokeUserSessions, unlockUser, getUser } = UserService.method;

let server: TestApp;
let wire: Wire;
let admin: Member;
let token: string;
beforeAll(async () => {
  server = await startApp();
  wire = openWire(server.url);
  admin = await newAdmin(server);
  token = admin.access_token;
});
afterAll(async () => {
  await wire[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

let count = 0;
const newName = () => `t${process.pid}-${count++}`;
type Message<M extends { input: unknown }> = Parameters<typeof callAdmin<M & typeof updateRole>>[2]["message"];
const change = (message: Message<typeof updateRole>, as = token, on = wire) =>
  callAdmin(on, "rest", { method: updateRole, message, token: as });
const assign = (userId: string, name: string, as = token, on = wire) =>
  callAdmin(on, "rest", { method: assignRole, message: { userId, name }, token: as });
const revoke = (userId: string, name: string, as = token, on = wire) =>
  callAdmin(on, "rest", { method: revokeRole, message: { userId, name }, token: as });
const outcomeOf = ({ ok, reason }: { ok: boolean; reason: string | undefined }) => (ok ? "ok" : reason);

describe.each(WAYS)("over %s", (way) => {
  test("a role is created, inherited, changed, assigned, taken and deleted", async () => {
    const [base, name] = [newName(), newName()];
    const { id: userId } = await newMember(server);
    const held = async () =>
      (await callAdmin(wire, way, { method: getUser, message: { userId }, token })).data?.user?.permissions;
    const first = { name: base, permissions: ["reports:read", "reports:read"] };
    expect((await callAdmin(wire, way, { method: createRole, message: first, token })).ok).toBe(true);
    const message = { name, description: "Writes", permissions: ["reports:write"], parents: [base] };
    const created = await callAdmin(wire, way, { method: createRole, message, token });
    const effectivePermissions = ["reports:read", "reports:write"];
    expect(created.data?.role).toMatchObject({ ...message, effectivePermissions, version: 1 });
    const found = await callAdmin(wire, way, { method: getRole, message: { name }, token });
    expect(found.data?.role).toStrictEqual(created.data?.role);

    for (let i = 0; i < 2; i++) {
      expect((await callAdmin(wire, way, { method: assignRole, message: { userId, name }, token })).ok).toBe(true);
    }
    expect(await held()).toStrictEqual(effectivePermissions);
    const changed = await callAdmin(wire, way, {
      method: updateRole,
      message: { name: base, permissions: ["reports:*"], expectedVersion: 1 },
      token,
    });
    expect(changed.data?.role).toMatchObject({ permissions: ["reports:*"], version: 2 });
    expect(await held()).toStrictEqual(["reports:*", "reports:write"]);
    const emptied = await callAdmin(wire, way, {
      method: updateRole,
      message: { name, description: "stays", updateMask: { paths: ["permissions", "parents"] } },
      token,
    });
    expect(emptied.data?.role).toMatchObject({ description: "Writes", permissions: [], parents: [] });
    expect(await held()).toStrictEqual([]);

    for (let i = 0; i < 2; i++) {
      expect((await callAdmin(wire, way, { method: revokeRole, message: { userId, name }, token })).ok).toBe(true);
    }
    expect((await callAdmin(wire, way, { method: deleteRole, message: { name, expectedVersion: 2 }, token })).ok).toBe(
      true,
    );
    expect((await callAdmin(wire, way, { method: getRole, message: { name }, token })).reason).toBe("not_found");
    for (const type of ["role.assigned", "role.revoked"]) {
      expect(await countEvents(server, type, userId)).toStrictEqual({ audit: 1, outbox: 1 });
    }
  });

  test("roles come in pages, by name", async () => {
    const names = [newName(), newName(), newName()];
    for (const name of names) await callAdmin(wire, way, { method: createRole, message: { name }, token });
    const seen: string[] = [];
    let pageToken = "";
    do {
      const { data } = await callAdmin(wire, way, { method: listRoles, message: { pageSize: 2, pageToken }, token });
      seen.push(...(data?.roles ?? []).map(({ name }) => name));
      pageToken = data?.nextPageToken ?? "";
    } while (pageToken !== "");
    expect(seen).toStrictEqual(seen.toSorted());
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen).toStrictEqual(expect.arrayContaining(["admin", "user", ...names]));
  });
});

describe("a role", () => {
  test.each([
    ["a name that is none", { name: "No Role" }, "validation_failed", /^name: /],
    ["a name of 64 letters", { name: "a".repeat(64) }, "validation_failed", /^name: /],
    ["a permission that is none", { permissions: ["everything"] }, "validation_failed", /^permissions: /],
    ["a wildcard within a name", { permissions: ["user*:read"] }, "validation_failed", /^permissions: /],
    ["a parent that there is not", { parents: ["nobody"] }, "validation_failed", /no role nobody/],
    ["a description with NUL", { description: "a\0b" }, "validation_failed", /^description: /],
    ["itself as its parent", { name: "narcissus", parents: ["narcissus"] }, "validation_failed", /no role narcissus/],
    ["the name of another", { name: "admin" }, "already_exists", /name/],
  ])("is not created with %s", async (_name, wrong, reason, words) => {
    const message = { name: newName(), ...wrong };
    const answer = await callAdmin(wire, "rest", { method: createRole, message, token });
    expect(answer.reason).toBe(reason);
    expect(answer.message).toMatch(words);
  });

  test("is not changed by who has read another version", async () => {
    const name = await newRole(server);
    const answers = await Promise.all(
      ["a", "b", "c"].map((description) => change({ name, description, expectedVersion: 1 })),
    );
    expect(answers.map(outcomeOf).toSorted()).toStrictEqual(["conflict", "conflict", "ok"]);
    const stale = { name, expectedVersion: 1 };
    expect((await callAdmin(wire, "rest", { method: deleteRole, message: stale, token })).reason).toBe("conflict");
  });

  test("is not changed in what a mask names that is no field of it", async () => {
    const name = await newRole(server);
    expect((await change({ name, updateMask: { paths: ["name"] } })).reason).toBe("validation_failed");
  });

  test("of the server's own is not deleted", async () => {
    for (const name of ["admin", "user"]) {
      expect((await callAdmin(wire, "rest", { method: deleteRole, message: { name }, token })).reason).toBe("conflict");
    }
  });

  test("that comes to more than a token can hold is refused, and so is a user of such roles", async () => {
    const long = (letter: string) => Array.from({ length: 50 }, (_, i) => `${letter.repeat(40)}${i}:read`);
    const names = [await newRole(server, long("a")), await newRole(server, long("b"))];
    const { id } = await newMember(server);
    expect(outcomeOf(await assign(id, names[0] ?? ""))).toBe("ok");
    expect(outcomeOf(await assign(id, names[1] ?? ""))).toBe("conflict");
    const message = { name: newName(), parents: names };
    expect((await callAdmin(wire, "rest", { method: createRole, message, token })).reason).toBe("conflict");
  });
});

describe("a change of a role", () => {
  const many = (prefix: string) => Array.from({ length: 60 }, (_, n) => `${prefix}${n}.${"x".repeat(30)}:read`);

  test.each([
    ["a role below it", async (bases: string[]) => [await newRole(server, [], bases)]],
    ["a user of both", async (bases: string[]) => bases],
    ["a user of the role of everybody's, below it, and of another", everybody],
  ])("that makes %s come to more than a token can hold is refused", async (_whom, rolesOf) => {
    const bases = [await newRole(server, many("a")), await newRole(server)];
    const member = await newMember(server, await rolesOf(bases));
    const [, name = ""] = bases;
    const { access_token } = await newAdmin(server);
    const refused = await change({ name, permissions: many("b") }, access_token);
    expect(refused.reason).toBe("conflict");
    const allowed = await change({ name, permissions: ["b:read"] }, access_token);
    expect(allowed.ok).toBe(true);
    const { body } = await loginUser(server.url, member.credentials.email);
    expect((await me(server.url, body.access_token)).status).toBe(200);
  });

  async function everybody([large = "", name = ""]: string[]) {
    await server.db.query("INSERT INTO role_parents (role, parent) VALUES ('user', $1)", [name]);
    onTestFinished(async () => void (await server.db.query("DELETE FROM role_parents WHERE role = 'user'")));
    return [large];
  }
});

test("acts that wait for one another leave the database to everybody else", async () => {
  const elsewhere = await server.db.connect();
  await elsewhere.query("SELECT pg_advisory_lock(418413471086)");
  const acts = Array.from({ length: 20 }, () =>
    callAdmin(wire, "rest", { method: createRole, message: { name: newName() }, token }),
  );
  await vi.waitFor(async () => {
    const { rowCount } = await elsewhere.query("SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted");
    expect(rowCount).toBeGreaterThan(0);
  });
  const calls = await Promise.all(Array.from({ length: 10 }, () => me(server.url, token)));
  await elsewhere.query("SELECT pg_advisory_unlock(418413471086)");
  elsewhere.release();
  expect(calls.map(({ status }) => status)).toStrictEqual(Array(10).fill(200));
  expect((await Promise.all(acts)).filter(({ ok }) => ok).length).toBeGreaterThan(0);
});

describe("a cycle", () => {
  test("is refused, however long, and nothing of it is stored", async () => {
    const first = await newRole(server);
    const second = await newRole(server, [], [first]);
    const third = await newRole(server, [], [second]);
    for (const parent of [first, second, third]) {
      expect((await change({ name: first, parents: [parent] })).reason).toBe("conflict");
    }
    expect((await server.db.query("SELECT FROM role_parents WHERE role = $1", [first])).rowCount).toBe(0);
  });

  test("is refused of two writes at once, on two replicas, each of which is none alone", async () => {
    const replica = await startAppForTest({ databaseUrl: server.databaseUrl, keysDir: server.keysDir });
    await using other = openWire(replica.url);
    for (let round = 0; round < 25; round++) {
      const [a, b] = [await newRole(server), await newRole(server)];
      const answers = await Promise.all([
        change({ name: a, parents: [b] }),
        change({ name: b, parents: [a] }, token, other),
      ]);
      expect(answers.map(outcomeOf).toSorted()).toStrictEqual(["conflict", "ok"]);
    }
  });

  test("that somebody wrote by hand hangs nothing", async () => {
    const [a, b] = [await newRole(server, ["reports:read"]), await newRole(server, ["reports:write"])];
    await server.db.query("INSERT INTO role_parents VALUES ($1, $2), ($2, $1)", [a, b]);
    const member = await newMember(server, [a]);
    expect(member.user["permissions"]).toStrictEqual(["reports:read", "reports:write"]);
    await server.db.query("DELETE FROM role_parents WHERE role = $1", [b]);
  });
});

describe("who may do less", () => {
  test("gives nobody more than that, by no way", async () => {
    const held = await newRole(server, ["roles:read", "roles:write", "reports:read"]);
    const clerk = await newMember(server, [held]);
    const as = clerk.access_token;
    const [own, more] = [await newRole(server, ["reports:read"]), await newRole(server, ["reports:write"])];
    const create = (message: object) =>
      callAdmin(wire, "rest", { method: createRole, message: { name: newName(), ...message }, token: as });
    const attempts = {
      "a permission beyond": create({ permissions: ["reports:write"] }),
      "a wildcard beyond": create({ permissions: ["reports:*"] }),
      "a wildcard of the other side": create({ permissions: ["*:read"] }),
      "a parent beyond": create({ parents: [more] }),
      "the role admin as a parent": create({ parents: ["admin"] }),
      "a permission beyond to one's own role": change({ name: held, permissions: ["roles:*"] }, as),
      "a parent beyond to a role within": change({ name: own, parents: [more] }, as),
      "a role beyond to oneself": assign(clerk.id, more, as),
      "the role admin to oneself": assign(clerk.id, "admin", as),
      "less to a role beyond": change({ name: more, permissions: [], updateMask: { paths: ["permissions"] } }, as),
      "the end of a role beyond": callAdmin(wire, "rest", { method: deleteRole, message: { name: more }, token: as }),
      "anything to an administrator": assign(admin.id, own, as),
      "the role admin from its holder": revoke(admin.id, "admin", as),
    };
    for (const [attempt, answer] of Object.entries(attempts)) {
      expect({ attempt, outcome: outcomeOf(await answer) }).toStrictEqual({ attempt, outcome: "forbidden" });
    }
    expect(outcomeOf(await create({ permissions: ["reports:read"], parents: [own] }))).toBe("ok");
    expect(outcomeOf(await assign(clerk.id, own, as))).toBe("ok");
  });

  test("is not made an administrator by a role that only looks harmless", async () => {
    const all = ["users:*", "roles:read", "roles:write", "audit:read"];
    const clerk = await newHolder(server, all);
    await server.db.query(
      "UPDATE role_permissions SET permission = 'roles:write' WHERE role = 'admin' AND permission = 'roles:*'",
    );
    try {
      expect(outcomeOf(await assign(clerk.id, "admin", clerk.access_token))).toBe("forbidden");
    } finally {
      await server.db.query(
        "UPDATE role_permissions SET permission = 'roles:*' WHERE role = 'admin' AND permission = 'roles:write'",
      );
    }
  });

  test("does nothing to who may do more", async () => {
    const support = await newHolder(server, ["users:read", "users:write"]);
    const as = support.access_token;
    const manager = await newHolder(server, ["users:read", "users:write", "reports:read"]);
    const peer = await newMember(server);
    for (const { id: userId } of [manager, admin]) {
      const attempts = [
        callAdmin(wire, "rest", {
          method: updateUser,
          message: { userId, password: "a passphrase of mine" },
          token: as,
        }),
        callAdmin(wire, "rest", { method: updateUser, message: { userId, email: "mine@example.com" }, token: as }),
        callAdmin(wire, "rest", { method: updateUser, message: { userId, resetMfa: true }, token: as }),
        callAdmin(wire, "rest", { method: deleteUser, message: { userId }, token: as }),
        callAdmin(wire, "connect-json", { method: revokeUserSessions, message: { userId }, token: as }),
        callAdmin(wire, "rest", { method: unlockUser, message: { userId }, token: as }),
      ];
      for (const answer of await Promise.all(attempts)) expect(outcomeOf(answer)).toBe("forbidden");
    }
    const message = { userId: peer.id, email: `${peer.credentials.username}@example.org` };
    expect(outcomeOf(await callAdmin(wire, "rest", { method: updateUser, message, token: as }))).toBe("ok");
  });

  test("does not act with what was taken away meanwhile", async () => {
    const helper = await newHolder(server, ["users:read", "users:write"]);
    await server.db.query("DELETE FROM user_roles WHERE user_id = $1 AND role <> 'user'", [helper.id]);
    const { id: userId } = await newMember(server);
    const answer = await callAdmin(wire, "rest", {
      method: deleteUser,
      message: { userId },
      token: helper.access_token,
    });
    expect(answer.reason).toBe("token_expired");
  });
});
