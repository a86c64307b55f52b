import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { findUserId, unlockUser } from "../src/service/unlock-user.ts";
import { loginUser, newUser, registerUser } from "./support/client.ts";
import { startAppForTest, type TestApp } from "./support/start-app.ts";

const WRONG = "not the passphrase";
const ADMIN = { actorId: randomUUID(), client: { ip: "198.51.100.4", userAgent: "console", requestId: "r-1" } };
const OPERATOR = { actorId: undefined, client: { ip: null, userAgent: "cli", requestId: "" } };

async function lockedUser(server: TestApp) {
  const { credentials, user } = await registerUser(server.url);
  for (const name of [credentials.email, credentials.username]) {
    for (let attempt = 0; attempt < 5; attempt++) await loginUser(server.url, name, WRONG);
  }
  return { ...credentials, id: user.id };
}

describe("an unlocked user", () => {
  test("logs in again by each of their names, and is recorded", async () => {
    const server = await startAppForTest();
    const [user, other] = [await lockedUser(server), await lockedUser(server)];
    expect((await loginUser(server.url, user.email)).status).toBe(423);
    await unlockUser(server.app.deps, ADMIN, user.id);
    expect((await loginUser(server.url, user.username)).status).toBe(200);
    expect((await loginUser(server.url, user.email)).status).toBe(200);
    expect((await loginUser(server.url, other.email)).status).toBe(423);
    const { rows } = await server.db.query(
      `SELECT result, actor_id, subject_id, host(ip) AS ip, user_agent, request_id, detail FROM audit_events
      WHERE type = 'user.unlocked'`,
    );
    const where = { ip: "198.51.100.4", user_agent: "console", request_id: "r-1" };
    const event = { result: "success", actor_id: ADMIN.actorId, subject_id: user.id, ...where, detail: { cleared: 3 } };
    expect(rows).toStrictEqual([event]);
  });

  test("starts again with a short lock", async () => {
    const server = await startAppForTest();
    const user = await lockedUser(server);
    await unlockUser(server.app.deps, OPERATOR, user.id);
    for (let attempt = 0; attempt < 5; attempt++) await loginUser(server.url, user.email, WRONG);
    expect((await loginUser(server.url, user.email)).headers.get("retry-after")).toBe("900");
  });

  test("is found by email, username and id, in any spelling; by the operator, who is recorded as such", async () => {
    const server = await startAppForTest();
    const user = await lockedUser(server);
    for (const name of [user.email.toUpperCase(), user.username.toUpperCase(), user.id]) {
      expect(await findUserId(server.app.deps, name)).toBe(user.id);
      await unlockUser(server.app.deps, OPERATOR, user.id);
    }
    const { rows } = await server.db.query(
      "SELECT actor_id, ip, user_agent, detail FROM audit_events WHERE type = 'user.unlocked' ORDER BY id",
    );
    const from = { actor_id: null, ip: null, user_agent: "cli" };
    expect(rows).toStrictEqual([3, 0, 0].map((cleared) => ({ ...from, detail: { by: "cli", cleared } })));
  });
});

describe("nobody", () => {
  test.each([newUser().email, newUser().username, "two words\0"])("is found by the name %j", async (name) => {
    const server = await startAppForTest();
    await expect(findUserId(server.app.deps, name)).rejects.toMatchObject({ reason: "not_found" });
  });

  test("is unlocked by an id that no user has, or that is none, and nothing is recorded", async () => {
    const server = await startAppForTest();
    const unlocking = (id: string) => unlockUser(server.app.deps, ADMIN, id);
    await expect(unlocking(randomUUID())).rejects.toMatchObject({ reason: "not_found" });
    await expect(unlocking("1")).rejects.toMatchObject({ reason: "validation_failed" });
    expect((await server.db.query("SELECT FROM audit_events")).rowCount).toBe(0);
  });
});

test("a user whose unlocking cannot be recorded stays locked", async () => {
  const server = await startAppForTest();
  const user = await lockedUser(server);
  await server.db.query("ALTER TABLE audit_events ADD CONSTRAINT no_more CHECK (false) NOT VALID");
  await expect(unlockUser(server.app.deps, ADMIN, user.id)).rejects.toThrow("no_more");
  await server.db.query("ALTER TABLE audit_events DROP CONSTRAINT no_more");
  expect((await loginUser(server.url, user.email)).status).toBe(423);
});
