import { RoleService } from "@sello/gen/admin/v1/role_service_pb";
import { UserService } from "@sello/gen/admin/v1/user_service_pb";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { callAdmin, type Member, newAdmin, newMember } from "./support/admin.ts";
import { me } from "./support/client.ts";
import { startApp, type TestApp } from "./support/start-app.ts";
import { openWire, type Wire } from "./support/wire.ts";

const { updateRole, deleteRole, revokeRole } = RoleService.method;
const { updateUser, deleteUser } = UserService.method;

let server: TestApp;
let replica: TestApp;
let wires: Wire[];
beforeAll(async () => {
  server = await startApp();
  replica = await startApp({ databaseUrl: server.databaseUrl, keysDir: server.keysDir });
  wires = [openWire(server.url), openWire(replica.url)];
});
afterAll(async () => {
  for (const wire of wires) await wire[Symbol.asyncDispose]();
  await replica[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await server.db.query("DELETE FROM user_roles WHERE role = 'admin'");
});

const wireOf = (index: number) => wires[index % wires.length] as Wire;
const outcomeOf = ({ ok, reason }: { ok: boolean; reason: string | undefined }) => (ok ? "ok" : reason);

/** Each way to leave nobody: what one administrator does to another. */
const WAYS_OUT = {
  "taking the role": (by: Member, of: Member, wire: Wire) =>
    callAdmin(wire, "rest", { method: revokeRole, message: { userId: of.id, name: "admin" }, token: by.access_token }),
  disabling: (by: Member, of: Member, wire: Wire) =>
    callAdmin(wire, "rest", { method: updateUser, message: { userId: of.id, disabled: true }, token: by.access_token }),
  deleting: (by: Member, of: Member, wire: Wire) =>
    callAdmin(wire, "rest", { method: deleteUser, message: { userId: of.id }, token: by.access_token }),
};

async function administrators(): Promise<number> {
  const { rowCount } = await server.db.query(
    "SELECT FROM user_roles JOIN users ON users.id = user_id WHERE role = 'admin' AND disabled_at IS NULL",
  );
  return rowCount ?? 0;
}

describe("the last administrator", () => {
  test("does not take the role from itself", async () => {
    const admin = await newAdmin(server);
    expect(outcomeOf(await WAYS_OUT["taking the role"](admin, admin, wireOf(0)))).toBe("conflict");
    expect((await me(server.url, admin.access_token)).status).toBe(200);
  });

  test("neither disables nor deletes itself, and nor does one of many", async () => {
    const [admin] = [await newAdmin(server), await newAdmin(server)];
    expect(outcomeOf(await WAYS_OUT.disabling(admin, admin, wireOf(0)))).toBe("forbidden");
    expect(outcomeOf(await WAYS_OUT.deleting(admin, admin, wireOf(0)))).toBe("forbidden");
  });

  test("counts as the last when all others are disabled", async () => {
    const [admin, other] = [await newAdmin(server), await newAdmin(server)];
    expect(outcomeOf(await WAYS_OUT.disabling(admin, other, wireOf(0)))).toBe("ok");
    expect(outcomeOf(await WAYS_OUT["taking the role"](admin, admin, wireOf(0)))).toBe("conflict");
  });

  test("may be one by a role that inherits", async () => {
    const admin = await newAdmin(server);
    await server.db.query("INSERT INTO roles (name) VALUES ('chief') ON CONFLICT DO NOTHING");
    await server.db.query("INSERT INTO role_parents VALUES ('chief', 'admin') ON CONFLICT DO NOTHING");
    const chief = await newMember(server, ["chief"]);
    expect(outcomeOf(await WAYS_OUT["taking the role"](chief, admin, wireOf(0)))).toBe("ok");
    const token = chief.access_token;
    const unparent = { name: "chief", updateMask: { paths: ["parents"] } };
    expect(outcomeOf(await callAdmin(wireOf(0), "rest", { method: updateRole, message: unparent, token }))).toBe(
      "conflict",
    );
    const message = { name: "chief" };
    expect(outcomeOf(await callAdmin(wireOf(0), "rest", { method: deleteRole, message, token }))).toBe("conflict");
    expect((await me(server.url, token)).body.user).toMatchObject({ is_admin: true });
    await server.db.query("DELETE FROM roles WHERE name = 'chief'");
  });

  test.each([
    [[]],
    [["users:*", "audit:read"]],
    [["users:*", "roles:read", "roles:write", "audit:read"]],
    [["users:*", "roles:*"]],
    [["*:read"]],
  ])("keeps what it needs: the role admin does not become %j", async (permissions) => {
    const { access_token: token } = await newAdmin(server);
    const message = { name: "admin", permissions, updateMask: { paths: ["permissions"] } };
    expect(outcomeOf(await callAdmin(wireOf(0), "rest", { method: updateRole, message, token }))).toBe("conflict");
    expect((await me(server.url, token)).status).toBe(200);
  });
});

describe.each(Object.entries(WAYS_OUT))(
  "two administrators, each %s the other at once on two replicas",
  (_name, act) => {
    test("leave one, every time", async () => {
      for (let round = 0; round < 15; round++) {
        const [a, b] = [await newAdmin(server), await newAdmin(server)];
        const answers = await Promise.all([act(a, b, wireOf(0)), act(b, a, wireOf(1))]);
        const outcomes = answers.map(outcomeOf);
        expect(outcomes.filter((outcome) => outcome === "ok")).toHaveLength(1);
        expect(await administrators()).toBe(1);
        await server.db.query("DELETE FROM user_roles WHERE role = 'admin'");
      }
    });
  },
);

test("of many who remove each other in a ring at once, somebody is left", async () => {
  const ring = await Promise.all(Array.from({ length: 6 }, () => newAdmin(server)));
  const acts = Object.values(WAYS_OUT);
  await Promise.all(
    ring.map((admin, index) => {
      const act = acts[index % acts.length] as (typeof acts)[number];
      return act(admin, ring[(index + 1) % ring.length] as Member, wireOf(index));
    }),
  );
  expect(await administrators()).toBeGreaterThan(0);
});
