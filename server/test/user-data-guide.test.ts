import { afterAll, beforeAll, expect, test } from "vitest";
import { readConfig } from "../src/config.ts";
import { DEMO_USER, seedDemoUser } from "../src/demo.ts";
import { createLog } from "../src/telemetry/log.ts";
import { loginUser } from "./support/client.ts";
import { createWorkshop, frameworks, type Guide, readGuide, type Workshop } from "./support/guide-runner.ts";
import { startApp, type TestApp } from "./support/start-app.ts";

/** Blocks that no test here runs, and why. */
const NOT_RUN = { "npm run generate": "adopter.test.ts runs it on an edited file, and starts a server" };

let server: TestApp;
let guide: Guide;
let workshop: Workshop;
beforeAll(async () => {
  [server, guide] = await Promise.all([startApp(), readGuide("user-data.md")]);
  await seedDemoUser(server.app, { config: readConfig({}).config, log: createLog("silent") });
  workshop = await createWorkshop({
    frameworks: frameworks[0],
    env: { DATABASE_URL: server.databaseUrl },
    addresses: new Map([["localhost:8080", new URL(server.url).host]]),
    onRun: guide.runs,
  });
  for (const file of guide.files) await workshop.write(file, guide.file(file));
});
afterAll(async () => {
  await workshop?.[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
});

test("the examples of docs/user-data.md do what it says, one after the other", async () => {
  expect(await workshop.node(["profile.mjs"])).toBe("Ada L. https://example.com/ada.png London true");
  const { body } = await loginUser(server.url, DEMO_USER.email, DEMO_USER.password);
  const TOKEN = body.access_token;
  expect(await workshop.shell(guide.shell("npx buf curl"), { TOKEN })).toMatch(/"displayName": *"Ada L\."/);
  expect(await workshop.shell(guide.shell("curl -s"), { TOKEN })).toMatch(
    /^\{"dataPublic":\{"displayName":"Ada L\.","avatarUrl":"[^"]+"\},"dataProtected":\{"address":/,
  );
  const secret = await workshop.shell(guide.shell("npm run -s cli -- create-service-account shipping"));
  expect(await workshop.node(["shipping.mjs"], { TOKEN, SELLO_SERVICE_ACCOUNT: secret })).toBe("to London");

  const [recoveryKey, account] = (await workshop.node(["private.mjs"])).split("\n");
  expect(recoveryKey).toMatch(/^(\w{4}-){13}\w{4}$/);
  expect(account).toBe("GB33BUKB20201555555555");
  expect(await workshop.node(["vault.mjs"])).toBe("what only I may read");
  expect(guide.unused().filter((block) => !Object.keys(NOT_RUN).some((known) => block.includes(known)))).toStrictEqual(
    [],
  );
});
