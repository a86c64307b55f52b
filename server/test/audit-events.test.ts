import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { readConfig } from "../src/config.ts";
import { DEMO_USER, seedDemoUser } from "../src/demo.ts";
import { EVENTS } from "../src/postgres/events.ts";
import { createLog } from "../src/telemetry/log.ts";
import { insertEvents, seal, startTrail, tamper } from "./support/audit.ts";
import { call, loginUser, PASSWORD, registerUser } from "./support/client.ts";
import { changePassword } from "./support/rpc.ts";
import { startAppForTest } from "./support/start-app.ts";

const DOCS = readFileSync(fileURLToPath(new URL("../../docs/audit.md", import.meta.url)), "utf8");
const POSTGRES = fileURLToPath(new URL("../src/postgres/", import.meta.url));
const TYPES = Object.keys(EVENTS).sort();

describe("the types of events", () => {
  test("are those of the table in docs/audit.md", () => {
    const table = DOCS.slice(DOCS.indexOf("## The types"), DOCS.indexOf("## Who may"));
    const cells = [...table.matchAll(/^\| ([^|]+) \|/gm)].map(([, cell = ""]) => cell).join(" ");
    const documented = [...cells.matchAll(/`([a-z_]+\.[a-z_]+)`/g)].map(([, type = ""]) => type);
    expect(documented.sort()).toStrictEqual(TYPES);
  });

  test("are each written somewhere, all by the same statement", () => {
    const sources = readdirSync(POSTGRES).filter((file) => file.endsWith(".ts") && file !== "events.ts");
    const text = sources.map((file) => readFileSync(POSTGRES + file, "utf8")).join("\n");
    expect(TYPES.filter((type) => !text.includes(`"${type}"`))).toStrictEqual([]);
    expect(text).not.toContain("INSERT INTO audit_events");
  });
});

describe("every event of a caller", () => {
  test("says who, what, whom, from where and how it ended", async () => {
    const server = await startAppForTest();
    const { access_token, refresh_token, credentials, user } = await registerUser(server.url);
    await loginUser(server.url, credentials.email, "not the passphrase");
    await loginUser(server.url, credentials.email);
    await changePassword(server.url, access_token, {
      currentPassword: PASSWORD,
      newPassword: "quite another one, dear",
    });
    await changePassword(server.url, access_token, { currentPassword: PASSWORD, newPassword: "and yet another one" });
    await call(`${server.url}/auth/logout`, { body: { refresh_token } });
    const { rows } = await server.db.query(
      "SELECT type, result, actor_id, subject_id, host(ip) AS ip, user_agent, request_id FROM audit_events ORDER BY id",
    );
    const expected = [
      ["user.registered", "success", user.id],
      ["login.failed", "failure", null],
      ["login.succeeded", "success", user.id],
      ["password.changed", "success", user.id],
      ["password_change.failed", "failure", user.id],
      ["session.logged_out", "success", user.id],
    ];
    expect(rows).toStrictEqual(
      expected.map(([type, result, actor_id]) => ({
        ...{ type, result, actor_id, subject_id: user.id, ip: "127.0.0.1" },
        ...{ user_agent: expect.stringMatching(/./), request_id: expect.stringMatching(/./) },
      })),
    );
    expect(new Set(rows.map(({ request_id }) => request_id)).size).toBe(expected.length);
  });
});

test("the demo user's event says that nobody registered", async () => {
  const server = await startAppForTest();
  await seedDemoUser(server.app, { config: readConfig({}).config, log: createLog("silent") });
  const { rows } = await server.db.query(
    `SELECT email, type, actor_id, detail FROM audit_events JOIN users ON users.id = subject_id`,
  );
  const event = { email: DEMO_USER.email, type: "user.registered", actor_id: null, detail: { by: "seed" } };
  expect(rows).toStrictEqual([event]);
});

test("the SQL of docs/audit.md finds the event that was changed, and no other", async () => {
  const sql = /```sql\n([\s\S]*?)```/.exec(DOCS)?.[1] ?? "";
  const trail = await startTrail();
  await insertEvents(trail, 1200);
  await seal(trail);
  expect((await trail.db.query(sql)).rows).toStrictEqual([]);
  await tamper(trail, `UPDATE audit_events SET detail = '{"a": "ü"}' WHERE id = 1100`);
  expect((await trail.db.query(sql)).rows).toStrictEqual([{ number: "2", id: "1100" }]);
});
