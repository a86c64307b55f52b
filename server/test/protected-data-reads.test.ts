import { createAuth } from "@sello/node-client";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { backend, newServiceAccount, reasonOf } from "./support/backend.ts";
import { registerUser } from "./support/client.ts";
import { profile } from "./support/profile.ts";
import { startApp, type TestApp } from "./support/start-app.ts";

const SCOPE = "users:read_protected";

let server: TestApp;
let secret: string;
beforeAll(async () => {
  server = await startApp();
  secret = await newServiceAccount(server, { name: "shipping", scopes: [SCOPE] });
});
afterAll(() => server[Symbol.asyncDispose]());

async function somebody(): Promise<string> {
  const { access_token: token, user } = await registerUser(server.url);
  await profile(server.url, "UpdateProfile", { token, dataProtected: { phone: "+44 20 7946 0958" } });
  return user.id;
}

const read = (userId: string, by = secret) => backend(server.url, by).users.getProtectedData({ userId });

describe("another back end with the scope", () => {
  test("reads a user's protected data, and each read is in the audit under its name", async () => {
    const userId = await somebody();
    const { dataProtected } = await read(userId);
    expect(dataProtected).toMatchObject({ phone: "+44 20 7946 0958" });
    await read(userId.toUpperCase());
    const { rows } = await server.db.query(
      `SELECT audit_events.result, audit_events.detail, service_accounts.name, host(ip) AS ip FROM audit_events
      JOIN service_accounts ON service_accounts.id = actor_id WHERE type = 'protected_data.read' AND subject_id = $1`,
      [userId],
    );
    const event = { result: "success", detail: { service: "shipping" }, name: "shipping", ip: "127.0.0.1" };
    expect(rows).toStrictEqual([event, event]);
  });

  test("gets nothing when the audit cannot be written", async () => {
    const userId = await somebody();
    await server.db.query(
      "ALTER TABLE audit_events ADD CONSTRAINT full_up CHECK (type <> 'protected_data.read') NOT VALID",
    );
    expect(await reasonOf(read(userId))).toBe("internal");
    await server.db.query("ALTER TABLE audit_events DROP CONSTRAINT full_up");
    expect(await reasonOf(read(userId))).toBeUndefined();
  });

  test("gets empty data of a user who has none, and not_found for nobody", async () => {
    const { user } = await registerUser(server.url);
    expect((await read(user.id)).dataProtected).toMatchObject({ phone: "" });
    expect(await reasonOf(read("018f0000-0000-7000-8000-000000000001"))).toBe("not_found");
    expect(await reasonOf(read("somebody"))).toBe("validation_failed");
  });

  test("reads with the client of @sello/node-client", async () => {
    const auth = createAuth({ address: server.url, serviceAccount: secret, onProblem: () => {} });
    onTestFinished(() => auth.close());
    expect(await auth.protectedData(await somebody())).toMatchObject({ phone: "+44 20 7946 0958" });
    const refused = auth.protectedData("018f0000-0000-7000-8000-000000000001");
    await expect(refused).rejects.toMatchObject({ code: "not_found" });
  });
});

test("no other scope reads protected data, and neither does a user", async () => {
  const userId = await somebody();
  const other = await newServiceAccount(server, { scopes: ["tokens:validate", "kms:use", "envelopes:use"] });
  const { access_token: token } = await registerUser(server.url);
  expect(await reasonOf(read(userId, other))).toBe("forbidden");
  expect(await reasonOf(read(userId, token))).toBe("token_invalid");
});
