import { afterAll, beforeAll, expect, test } from "vitest";
import { loginUser } from "./support/client.ts";
import { createWorkshop, readGuide, type Workshop } from "./support/guide-runner.ts";
import { startApp, type TestApp } from "./support/start-app.ts";

let server: TestApp;
let workshop: Workshop;
beforeAll(async () => {
  server = await startApp();
  workshop = await createWorkshop({
    frameworks: "minimal",
    env: { DATABASE_URL: server.databaseUrl },
    addresses: new Map([["localhost:8080", new URL(server.url).host]]),
    onRun: () => undefined,
  });
});
afterAll(async () => {
  await workshop?.[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
});

test("the guide for operators does what it says, from its first command to its last", async () => {
  const guide = await readGuide("guide-operator.md");
  const said = await workshop.shell(guide.all("sh").join("\n"));
  expect(guide.unused()).toStrictEqual([]);
  // `buf curl` writes lowerCamelCase, the routes snake_case.
  expect(said).toMatch(/"effectivePermissions": \[\s*"orders:read",\s*"refunds:\*",\s*"refunds:request"\s*\]/);
  expect(said).toContain('"description":"At the till."');
  expect(said).toContain('"locked_until":"');
  expect(said).toContain('"disabled_at":"');
  expect(said).toContain("would import 2, already there 0, refused 0");
  expect(said).toContain("imported 2, already there 0, refused 0");
  expect(said).toContain("imported 0, already there 2, refused 0");
  const types = [...said.matchAll(/"type": "([a-z_.]+)"/g)].map(([, type]) => type);
  expect(types).toStrictEqual([
    "user.enabled",
    "user.disabled",
    "user.unlocked",
    ...Array.from({ length: 5 }, () => "login.failed"),
    "role.assigned",
    "user.created",
  ]);
  expect((await loginUser(server.url, "alan", "pleaseletmein")).status).toBe(200);
  const { body } = await loginUser(server.url, "edsger", "U*U");
  expect(body.user).toMatchObject({ roles: ["cashier", "user"], permissions: ["orders:*"] });
});
