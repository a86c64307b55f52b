import { randomBytes } from "node:crypto";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readConfig } from "../src/config.ts";
import { seedDemoUser } from "../src/demo.ts";
import { cleanUp } from "../src/postgres/clean-up.ts";
import { openDatabase } from "../src/postgres/database.ts";
import { migrate } from "../src/postgres/migrate.ts";
import { grantServerRights } from "../src/postgres/server-role.ts";
import { listAuditEvents } from "../src/service/list-audit-events.ts";
import { createServiceAccount, disableServiceAccount } from "../src/service/service-accounts.ts";
import { unlockUser } from "../src/service/unlock-user.ts";
import { createLog } from "../src/telemetry/log.ts";
import { allSealed, insertEvents, trailOf, verifyTrail, WALL_CLOCK } from "./support/audit.ts";
import { call, loginUser, me, PASSWORD, refresh, registerUser } from "./support/client.ts";
import { changePassword } from "./support/rpc.ts";
import { createTestDatabase, dropTestDatabase, startApp, startAppForTest, type TestApp } from "./support/start-app.ts";

const SUFFIX = randomBytes(4).toString("hex");
const LOGIN = `sello_test_server_${SUFFIX}`;
const OWNER = `sello_test_owner_${SUFFIX}`;
const WORD = randomBytes(12).toString("hex");

/** The same database for another user. */
function as(user: string, databaseUrl: string): string {
  const url = new URL(databaseUrl);
  url.username = user;
  url.password = WORD;
  return url.href;
}

async function withClient<T>(url: string, task: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await task(client);
  } finally {
    await client.end();
  }
}

let databaseUrl: string;
let restricted: string;
let server: TestApp;
beforeAll(async () => {
  databaseUrl = await createTestDatabase();
  restricted = as(LOGIN, databaseUrl);
  await withClient(databaseUrl, async (owner) => {
    await owner.query(`CREATE ROLE ${LOGIN} LOGIN PASSWORD '${WORD}' IN ROLE sello_app`);
    await owner.query(`CREATE ROLE ${OWNER} LOGIN PASSWORD '${WORD}'`);
  });
  server = await startApp({ databaseUrl: restricted, overrides: { clock: WALL_CLOCK } });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await withClient(databaseUrl, async (owner) => owner.query(`DROP ROLE ${LOGIN}; DROP ROLE ${OWNER}`));
  await dropTestDatabase(databaseUrl);
});

describe("a server whose role may do no more than it must", () => {
  test("does everything that a server does", async () => {
    const first = await registerUser(server.url);
    const { email } = first.credentials;
    expect((await loginUser(server.url, email, "not the passphrase")).status).toBe(401);
    const other = await loginUser(server.url, email);
    expect(other.status).toBe(200);
    const renewed = await refresh(server.url, other.body.refresh_token);
    expect(renewed.status).toBe(200);
    expect((await me(server.url, renewed.body.access_token)).status).toBe(200);
    const change = { currentPassword: PASSWORD, newPassword: "quite another passphrase" };
    expect((await changePassword(server.url, first.access_token, change)).status).toBe(200);
    const out = await call(`${server.url}/auth/logout`, { body: { refresh_token: first.refresh_token } });
    expect(out.status).toBe(200);
    await allSealed(server);
    expect((await verifyTrail(await trailOf(server))).said).toStrictEqual([]);
    expect(server.logs.filter(({ level }) => level === "error")).toStrictEqual([]);
  });

  test("unlocks, lists, and keeps service accounts", async () => {
    const { deps } = server.app;
    const { user } = await registerUser(server.url);
    await unlockUser(deps, { actorId: user.id, client: { ip: "192.0.2.1", userAgent: "", requestId: "" } }, user.id);
    await createServiceAccount(deps, { name: "shop", scopes: ["kms:use"] });
    await disableServiceAccount(deps, "shop");
    const page = { filter: { actorId: user.id }, pageSize: 1, pageToken: "" };
    expect((await listAuditEvents(deps, page)).events).toMatchObject([{ type: "user.unlocked", subjectId: user.id }]);
    expect(await seedDemoUser(server.app, { config: readConfig({}).config, log: createLog("silent") })).toBe(true);
  });

  test("cleans up", async () => {
    expect(await cleanUp(server.app.stores.database, new Date(Date.now() + 365 * 86_400_000))).toBeGreaterThan(0);
  });

  test.each([
    "UPDATE audit_events SET result = 'success'",
    "DELETE FROM audit_events",
    "TRUNCATE audit_events",
    "SET LOCAL sello.audit_archive = 'on'; DELETE FROM audit_events",
    "ALTER TABLE audit_events DISABLE TRIGGER ALL",
    "ALTER TABLE audit_events ALTER recorded_at DROP DEFAULT",
    "ALTER TABLE audit_events ADD CONSTRAINT no_more CHECK (false) NOT VALID",
    "DROP TABLE audit_events",
    "DROP TRIGGER audit_events_append_only ON audit_events",
    "CREATE TRIGGER mine AFTER INSERT ON audit_events EXECUTE FUNCTION refuse_audit_change()",
    "CREATE RULE mine AS ON INSERT TO audit_events DO INSTEAD NOTHING",
    "CREATE OR REPLACE FUNCTION queue_for_seal() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
    "SET session_replication_role = replica",
    "INSERT INTO audit_events (id, occurred_at, type, result, user_agent, request_id) OVERRIDING SYSTEM VALUE VALUES (-1, now(), '', '', '', '')",
    "INSERT INTO audit_events (recorded_at, occurred_at, type, result, user_agent, request_id) VALUES (now(), now(), '', '', '', '')",
    "UPDATE audit_seals SET complete = true",
    "DELETE FROM audit_seals",
    "TRUNCATE audit_seals",
    "INSERT INTO audit_anchors VALUES (1, '', now(), now(), '')",
    "DELETE FROM audit_anchors",
    "DELETE FROM audit_key",
    "UPDATE audit_unsealed SET event_id = -1",
    "TRUNCATE users",
    "UPDATE decoy_key SET key = ''",
    "DELETE FROM schema_migrations",
    "CREATE ROLE another",
  ])("may not %s", async (sql) => {
    await insertEvents(server, 1);
    const refused = withClient(restricted, (client) => client.query(`BEGIN; ${sql}; COMMIT`));
    await expect(refused).rejects.toMatchObject({ code: "42501" });
  });

  test("is told in a sentence that it may not migrate", async () => {
    const behind = await createTestDatabase();
    await withClient(behind, (owner) =>
      owner.query("DELETE FROM schema_migrations WHERE id = (SELECT max(id) FROM schema_migrations)"),
    );
    await expect(startAppForTest({ databaseUrl: as(LOGIN, behind) })).rejects.toThrow(
      /^DATABASE_URL: .*npm run cli -- migrate/,
    );
    await dropTestDatabase(behind);
  });
});

describe("everybody", () => {
  test.each([
    ["audit_events", "result = ''"],
    ["audit_seals", "complete = true"],
    ["audit_anchors", "mac = ''"],
  ])("is refused a change of %s, the owner of the tables too", async (table, change) => {
    for (const sql of [`UPDATE ${table} SET ${change}`, `DELETE FROM ${table}`, `TRUNCATE ${table}`]) {
      const refused = withClient(databaseUrl, (owner) => owner.query(sql));
      const message = expect.stringContaining(`${table} can only be added to`);
      await expect(refused).rejects.toMatchObject({ code: "42501", message });
    }
  });
});

describe("an owner who may not create roles", () => {
  test("migrates all the same, and gives a role its rights later, those to later tables too", async () => {
    const url = await createTestDatabase({ empty: true });
    const owned = as(OWNER, url);
    await withClient(url, (root) =>
      root.query(
        `ALTER DATABASE ${new URL(url).pathname.slice(1)} OWNER TO ${OWNER}; ALTER SCHEMA public OWNER TO ${OWNER}`,
      ),
    );
    await migrate(owned, () => undefined);
    const owners = openDatabase({ url: owned, poolSize: 1, onError: () => undefined });
    await grantServerRights(owners, LOGIN);
    await grantServerRights(owners, LOGIN);
    await expect(grantServerRights(owners, "nobody_of_this_name")).rejects.toThrow("nobody_of_this_name");
    await owners.end();
    await withClient(owned, (owner) => owner.query("CREATE TABLE of_a_later_migration (id bigint)"));
    await withClient(as(LOGIN, url), async (client) => {
      await client.query("INSERT INTO of_a_later_migration VALUES (1)");
      await expect(client.query("DELETE FROM audit_events")).rejects.toMatchObject({ code: "42501" });
    });
    const behind = await startAppForTest({ databaseUrl: as(LOGIN, url), overrides: { clock: WALL_CLOCK } });
    await registerUser(behind.url);
    await allSealed(behind);
    await behind.app[Symbol.asyncDispose]();
    await withClient(url, (root) =>
      root.query(`REASSIGN OWNED BY ${OWNER} TO current_user; DROP OWNED BY ${OWNER}; DROP OWNED BY ${LOGIN}`),
    );
    await dropTestDatabase(url);
  });

  test("makes one role for many databases that are migrated at once", async () => {
    const urls = await Promise.all([1, 2, 3, 4].map(() => createTestDatabase({ empty: true })));
    await Promise.all(urls.map((url) => migrate(url, () => undefined)));
    for (const url of urls) {
      const { rows } = await withClient(url, (client) =>
        client.query("SELECT has_table_privilege('sello_app', 'users', 'INSERT') AS may"),
      );
      expect(rows).toStrictEqual([{ may: true }]);
      await dropTestDatabase(url);
    }
  });
});
