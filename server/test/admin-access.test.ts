import type { DescMethodUnary } from "@bufbuild/protobuf";
import { RoleService } from "@sello/gen/admin/v1/role_service_pb";
import { UserService } from "@sello/gen/admin/v1/user_service_pb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readPolicies } from "../src/rpc/policies.ts";
import { callAdmin, type Member, newHolder, newMember } from "./support/admin.ts";
import { WAYS } from "./support/each-protocol.ts";
import { startApp, type TestApp } from "./support/start-app.ts";
import { openWire, type Wire } from "./support/wire.ts";

const METHODS = [...UserService.methods, ...RoleService.methods] as DescMethodUnary[];
const NEEDED = new Map(METHODS.map((method) => [method, readPolicies([method.parent]).of(method).permission]));
const PERMISSIONS = [...new Set(NEEDED.values())];
/** None of the calls without a route goes over REST. */
const WITHOUT_ROUTE = ["RevokeUserSessions", "ListAuditEvents"];
const waysOf = ({ name }: DescMethodUnary) => WAYS.filter((way) => way !== "rest" || !WITHOUT_ROUTE.includes(name));

let server: TestApp;
let wire: Wire;
let nobody: Member;
const holders = new Map<string, Member>();
beforeAll(async () => {
  server = await startApp();
  wire = openWire(server.url);
  nobody = await newMember(server);
  for (const permission of PERMISSIONS) holders.set(permission, await newHolder(server, [permission]));
});
afterAll(async () => {
  await wire[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

test("the permissions of administration are these", () => {
  expect(PERMISSIONS.toSorted()).toStrictEqual([
    "audit:read",
    "roles:read",
    "roles:write",
    "users:read",
    "users:write",
  ]);
});

describe.each(METHODS.map((method) => [method.name, method] as const))("%s", (_name, method) => {
  const reasons = async (token: string | undefined) => {
    const answers = [];
    for (const way of waysOf(method)) answers.push(await callAdmin(wire, way, { method, message: {}, token }));
    return [...new Set(answers.map(({ reason }) => reason))];
  };

  test("is for nobody without a token, and for nobody without a role", async () => {
    expect(await reasons(undefined)).toStrictEqual(["token_missing"]);
    expect(await reasons("not.a.token")).toStrictEqual(["token_invalid"]);
    expect(await reasons(nobody.access_token)).toStrictEqual(["forbidden"]);
  });

  test("is for who holds its permission, and for no other", async () => {
    for (const [permission, { access_token }] of holders) {
      const refused = (await reasons(access_token)).includes("forbidden");
      expect({ permission, refused }).toStrictEqual({ permission, refused: permission !== NEEDED.get(method) });
    }
  });
});
