import { RoleService } from "@sello/gen/admin/v1/role_service_pb";
import { expect, onTestFinished, test } from "vitest";
import { callAdmin, newAdmin, newRole } from "./support/admin.ts";
import { startAppForTest } from "./support/start-app.ts";
import { openWire } from "./support/wire.ts";

const USERS = 300_000;

test("an act among very many users is done in time, whichever role they hold", { timeout: 120_000 }, async () => {
  const server = await startAppForTest();
  const wire = openWire(server.url);
  onTestFinished(() => wire[Symbol.asyncDispose]());
  const customer = await newRole(server);
  await server.db.query("ALTER TABLE user_roles DISABLE TRIGGER USER");
  await server.db.query(
    `INSERT INTO users (id, email, username, username_key, password_hash, password_changed_at, created_at)
    SELECT gen_random_uuid(), 'm' || i || '@example.com', 'm' || i, 'm' || i, 'x', now(), now() FROM generate_series(1, $1::int) AS i`,
    [USERS],
  );
  await server.db.query(
    "INSERT INTO user_roles SELECT id, role, now() FROM users CROSS JOIN unnest(ARRAY['user', $1]) AS role",
    [customer],
  );
  await server.db.query("ALTER TABLE user_roles ENABLE TRIGGER USER");
  await server.db.query("ANALYZE");
  for (const name of [customer, "user"]) {
    const { access_token: token } = await newAdmin(server);
    const message = { name, permissions: ["shop:buy"] };
    const start = performance.now();
    expect((await callAdmin(wire, "rest", { method: RoleService.method.updateRole, message, token })).reason).toBe(
      undefined,
    );
    expect(performance.now() - start).toBeLessThan(1_000);
  }
});
