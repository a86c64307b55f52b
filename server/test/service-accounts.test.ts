import { EnvelopeService } from "@sello/gen/backend/v1/envelope_service_pb";
import { KmsService } from "@sello/gen/backend/v1/kms_service_pb";
import { TokenService } from "@sello/gen/backend/v1/token_service_pb";
import { UserDataService } from "@sello/gen/backend/v1/user_data_service_pb";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { SCOPES } from "../src/domain/scopes.ts";
import { readPolicies } from "../src/rpc/policies.ts";
import { disableServiceAccount } from "../src/service/service-accounts.ts";
import { backend, newServiceAccount, reasonOf, TRANSPORTS } from "./support/backend.ts";
import { me, registerUser } from "./support/client.ts";
import { startApp, startAppForTest, type TestApp } from "./support/start-app.ts";

let server: TestApp;
beforeAll(async () => {
  server = await startApp();
});
afterAll(() => server[Symbol.asyncDispose]());

const USER_ID = "018f0000-0000-7000-8000-000000000001";
const firstOf = async (stream: AsyncIterable<unknown>) => {
  for await (const message of stream) return message;
  return undefined;
};
const calls = {
  validate: (secret: string | undefined, transport = TRANSPORTS[0]?.[1], url = server.url) =>
    reasonOf(backend(url, secret, transport).tokens.validateToken({ accessToken: "x" })),
  watch: (secret: string | undefined, transport = TRANSPORTS[0]?.[1], url = server.url) =>
    reasonOf(firstOf(backend(url, secret, transport).tokens.watchRevocations({}))),
  createKey: (secret: string | undefined, transport = TRANSPORTS[0]?.[1], url = server.url) =>
    reasonOf(backend(url, secret, transport).kms.createUserKey({ userId: USER_ID, purpose: "notes" })),
};

describe.each(TRANSPORTS)("over %s", (_name, transport) => {
  test("an account may do what its scopes say, and nothing else", async () => {
    const [validates, wraps] = [
      await newServiceAccount(server, { scopes: ["tokens:validate"] }),
      await newServiceAccount(server, { scopes: ["kms:use"] }),
    ];
    expect(await calls.watch(validates, transport)).toBeUndefined();
    expect(await calls.createKey(validates, transport)).toBe("forbidden");
    expect(await calls.createKey(wraps, transport)).toBeUndefined();
    expect(await calls.watch(wraps, transport)).toBe("forbidden");
    expect(await calls.validate(wraps, transport)).toBe("forbidden");
  });

  test("a call without a secret, with somebody's access token, or with a secret that nobody has is refused", async () => {
    const { access_token } = await registerUser(server.url);
    const nobodys = `sa_${"A".repeat(43)}`;
    for (const call of Object.values(calls)) {
      expect(await call(undefined, transport)).toBe("token_missing");
      for (const secret of [access_token, nobodys, "sa_", `${nobodys}=`, "x"]) {
        expect(await call(secret, transport)).toBe("token_invalid");
      }
    }
  });
});

describe("a service account", () => {
  test("that was disabled is refused within a second, also on a replica that knew it, with the same words as none", async () => {
    const replica = await startAppForTest({ databaseUrl: server.databaseUrl, keysDir: server.keysDir });
    const secret = await newServiceAccount(server, { name: "to-be-disabled" });
    const validate = (as: string) => backend(replica.url, as).tokens.validateToken({ accessToken: "x" });
    const words = (as: string) => validate(as).catch((error: Error) => error.message);
    expect(await calls.createKey(secret, undefined, replica.url)).toBeUndefined();
    await disableServiceAccount(server.app.deps, "to-be-disabled");
    const disabledAt = performance.now();
    await vi.waitFor(async () => expect(await calls.createKey(secret, undefined, replica.url)).toBe("token_invalid"), {
      timeout: 5_000,
      interval: 20,
    });
    expect(performance.now() - disabledAt).toBeLessThan(1_500);
    expect(await words(secret)).toBe(await words(`sa_${"A".repeat(43)}`));
    await expect(disableServiceAccount(server.app.deps, "to-be-disabled")).rejects.toMatchObject({
      reason: "not_found",
    });
  });

  test("is looked up once a second, however often it calls", async () => {
    const secret = await newServiceAccount(server);
    expect(await calls.createKey(secret)).toBeUndefined();
    await server.db.query("ALTER TABLE service_accounts RENAME TO elsewhere");
    const again = await calls.createKey(secret);
    await server.db.query("ALTER TABLE elsewhere RENAME TO service_accounts");
    expect(again).toBeUndefined();
  });

  test("is nobody to the calls of users", async () => {
    const { status, body } = await me(server.url, await newServiceAccount(server));
    expect({ status, code: body.error.code }).toStrictEqual({ status: 401, code: "token_invalid" });
  });

  test("leaves nothing of its secret in the database, and its creation and end in the audit", async () => {
    const own = await startAppForTest();
    const secret = await newServiceAccount(own, { name: "audited", scopes: ["kms:use", "kms:use", "envelopes:use"] });
    await disableServiceAccount(own.app.deps, "audited");
    const accounts = await own.db.query("SELECT a::text AS text FROM service_accounts AS a");
    expect(accounts.rows[0].text).not.toContain(secret.slice(3));
    const { rows } = await own.db.query(
      "SELECT type, result, subject_id, detail FROM audit_events WHERE type LIKE 'service_account.%' ORDER BY id",
    );
    const [{ id }] = (await own.db.query("SELECT id FROM service_accounts")).rows;
    const detail = { by: "cli", name: "audited", scopes: ["envelopes:use", "kms:use"] };
    expect(rows).toStrictEqual([
      { type: "service_account.created", result: "success", subject_id: id, detail },
      { type: "service_account.disabled", result: "success", subject_id: id, detail },
    ]);
  });

  test("is not created when that cannot be recorded", async () => {
    const own = await startAppForTest();
    await own.db.query("ALTER TABLE audit_events ADD CONSTRAINT no_more CHECK (false) NOT VALID");
    await expect(newServiceAccount(own)).rejects.toThrow("no_more");
    expect((await own.db.query("SELECT FROM service_accounts")).rowCount).toBe(0);
  });

  test.each([
    ["an unknown scope", { scopes: ["kms:use", "everything"] }, "scopes: must be some of tokens:validate, "],
    ["no scope", { scopes: [] }, "scopes: must be some of tokens:validate, "],
    ["an empty name", { name: "" }, "name: must be 1 to 64 of "],
    ["a name with a space", { name: "a b" }, "name: must be 1 to 64 of "],
    ["a name with a capital", { name: "Shop" }, "name: must be 1 to 64 of "],
    ["no path", { bindings: [] }, "bindings: must be 1 to 100 paths"],
    ["a path that ends with a slash", { bindings: ["/orders/"] }, "bindings: must be 1 to 100 paths"],
    ["a path without a slash", { bindings: ["orders"] }, "bindings: must be 1 to 100 paths"],
    ["a path of dots", { bindings: ["/a/../b"] }, "bindings: must be 1 to 100 paths"],
    ["a path with a query", { bindings: ["/a?b"] }, "bindings: must be 1 to 100 paths"],
    ["too many paths", { bindings: Array(101).fill("/a") }, "bindings: must be 1 to 100 paths"],
    [
      "paths and no use for them",
      { bindings: ["/a"], scopes: ["kms:use"] },
      "bindings: restrict the scope envelopes:use",
    ],
    ["a name that is too long", { name: "a".repeat(65) }, "name: must be 1 to 64 of "],
  ])("with %s is not created", async (_name, options, message) => {
    await expect(newServiceAccount(server, options)).rejects.toMatchObject({
      reason: "validation_failed",
      message: expect.stringContaining(message),
    });
  });

  test("does not take the name of another, though that is disabled", async () => {
    await newServiceAccount(server, { name: "taken" });
    await disableServiceAccount(server.app.deps, "taken");
    await expect(newServiceAccount(server, { name: "taken" })).rejects.toMatchObject({ reason: "already_exists" });
  });
});

test("the scopes of accounts are those that RPCs ask for", () => {
  const services = [TokenService, KmsService, EnvelopeService, UserDataService];
  const policies = readPolicies(services);
  const asked = services.flatMap(({ methods }) => methods).map((method) => policies.of(method).scope);
  expect(new Set(asked)).toStrictEqual(new Set(SCOPES));
});
