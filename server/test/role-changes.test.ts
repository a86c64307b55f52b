import { RoleService } from "@sello/gen/admin/v1/role_service_pb";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { createAuth } from "../../node-client/src/index.ts";
import { callAdmin, type Member, newAdmin, newMember, newRole } from "./support/admin.ts";
import { backend, newServiceAccount, reasonOf } from "./support/backend.ts";
import { me, refresh } from "./support/client.ts";
import { startApp, type TestApp } from "./support/start-app.ts";
import { openWire, type Wire } from "./support/wire.ts";

const { createRole, updateRole, deleteRole, assignRole, revokeRole } = RoleService.method;

let server: TestApp;
let replica: TestApp;
let wire: Wire;
let admin: Member;
let secret: string;
beforeAll(async () => {
  server = await startApp();
  replica = await startApp({ databaseUrl: server.databaseUrl, keysDir: server.keysDir });
  wire = openWire(server.url);
  admin = await newAdmin(server);
  secret = await newServiceAccount(server);
});
afterAll(async () => {
  await wire[Symbol.asyncDispose]();
  await replica[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

type Held = { base: string; role: string; member: Member };

/** Somebody with a role that inherits another, whom both servers have looked at. */
async function newHeld(): Promise<Held> {
  const base = await newRole(server, ["reports:read"]);
  const role = await newRole(server, ["reports:write"], [base]);
  const member = await newMember(server, [role]);
  for (const { url } of [server, replica]) expect((await me(url, member.access_token)).status).toBe(200);
  return { base, role, member };
}

const as = { token: "" };
const CHANGES: [string, (held: Held) => Promise<{ ok: boolean }>, string[]][] = [
  [
    "a role is assigned",
    async ({ member }) => {
      const name = await newRole(server, ["reports:print"]);
      return callAdmin(wire, "rest", { method: assignRole, message: { userId: member.id, name }, token: as.token });
    },
    ["reports:print", "reports:read", "reports:write"],
  ],
  [
    "a role is taken",
    ({ member, role: name }) =>
      callAdmin(wire, "rest", { method: revokeRole, message: { userId: member.id, name }, token: as.token }),
    [],
  ],
  [
    "a permission of an inherited role changes",
    ({ base: name }) =>
      callAdmin(wire, "rest", { method: updateRole, message: { name, permissions: ["reports:*"] }, token: as.token }),
    ["reports:*", "reports:write"],
  ],
  [
    "a role inherits no more",
    ({ role: name }) =>
      callAdmin(wire, "rest", {
        method: updateRole,
        message: { name, updateMask: { paths: ["parents"] } },
        token: as.token,
      }),
    ["reports:write"],
  ],
  [
    "a role is deleted that others no longer inherit from",
    async ({ role, base }) => {
      const without = { name: role, updateMask: { paths: ["parents"] } };
      const remove = () => callAdmin(wire, "rest", { method: deleteRole, message: { name: base }, token: as.token });
      expect((await remove()).reason).toBe("conflict");
      await callAdmin(wire, "rest", { method: updateRole, message: without, token: as.token });
      return remove();
    },
    ["reports:write"],
  ],
];

describe.each(CHANGES)("when %s", (_what, change, permissions) => {
  test("no token that says otherwise passes on any replica, and a refresh in the same second brings one that does", async () => {
    as.token = admin.access_token;
    const held = await newHeld();
    expect((await change(held)).ok).toBe(true);
    for (const { url } of [server, replica]) {
      const { status, body } = await me(url, held.member.access_token);
      expect([status, body.error.code]).toStrictEqual([401, "token_expired"]);
      expect(await reasonOf(backend(url, secret).tokens.validateToken({ accessToken: held.member.access_token }))).toBe(
        "token_expired",
      );
    }
    const { body } = await refresh(replica.url, held.member.refresh_token);
    for (const { url } of [server, replica]) {
      expect((await me(url, body.access_token)).body.user).toMatchObject({ permissions });
    }
  });

  test("a back end that remembers tokens hears of it within a second", async () => {
    as.token = admin.access_token;
    const held = await newHeld();
    const auth = createAuth({ address: replica.url, serviceAccount: secret });
    onTestFinished(() => auth.close());
    await vi.waitFor(() => expect(auth.isWatching).toBe(true), { timeout: 5_000 });
    const token = held.member.access_token;
    expect((await auth.validate(token)).user.permissions).toStrictEqual(["reports:read", "reports:write"]);
    await change(held);
    const changedAt = performance.now();
    const codeOf = () =>
      auth.validate(token).then(
        () => "accepted",
        (error: { code: string }) => error.code,
      );
    await expect.poll(codeOf, { timeout: 3_000, interval: 20 }).toBe("token_expired");
    expect(performance.now() - changedAt).toBeLessThan(1_500);
  });
});

test("a role that nobody here holds changes nobody's token", async () => {
  const { member } = await newHeld();
  const name = `lonely-${process.pid}`;
  const token = admin.access_token;
  expect(
    (await callAdmin(wire, "rest", { method: createRole, message: { name, permissions: ["a:b"] }, token })).ok,
  ).toBe(true);
  expect((await me(server.url, member.access_token)).status).toBe(200);
});

test("the hundredth and first holder who changes at once makes it everybody", async () => {
  const told = async (users: number) => {
    const name = await newRole(server);
    const before = await server.db.query("SELECT coalesce(max(id), 0) AS id FROM changed_users");
    await server.db.query(
      `WITH made AS (
        INSERT INTO users (id, email, username, username_key, password_hash, password_changed_at, created_at)
        SELECT gen_random_uuid(), $1 || i || '@example.com', $1 || i, $1 || i, '', now(), now() FROM generate_series(1, $2::int) AS i
        RETURNING id
      ) SELECT FROM made`,
      [name, users],
    );
    await server.db.query("INSERT INTO user_roles SELECT id, $1, now() FROM users WHERE starts_with(username, $1)", [
      name,
    ]);
    const { rows } = await server.db.query("SELECT user_id FROM changed_users WHERE id > $1", [before.rows[0].id]);
    return { rows: rows.length, everybody: rows.some(({ user_id }) => user_id === null) };
  };
  expect(await told(100)).toStrictEqual({ rows: 100, everybody: false });
  expect(await told(101)).toStrictEqual({ rows: 1, everybody: true });
});

test("a registration tells nobody", async () => {
  const count = async () => (await server.db.query("SELECT FROM changed_users")).rowCount;
  const before = await count();
  await newMember(server);
  // Of the empty list of roles that is given by hand.
  expect(await count()).toBe(before);
});

test("roles that change all the time never leave a token that says more than they do", async () => {
  const { member, role } = await newHeld();
  const token = admin.access_token;
  for (let round = 0; round < 10; round++) {
    const permissions = [`round:r${round}`];
    const [, { body }] = await Promise.all([
      callAdmin(wire, "rest", { method: updateRole, message: { name: role, permissions }, token }),
      refresh(server.url, member.refresh_token).then((answer) => {
        member.refresh_token = answer.body.refresh_token;
        return answer;
      }),
    ]);
    const answer = await me(replica.url, body.access_token);
    const outcome = answer.status === 200 ? JSON.stringify(answer.body.user["permissions"]) : answer.body.error.code;
    expect([JSON.stringify(["reports:read", ...permissions]), "token_expired"]).toContain(outcome);
  }
});
