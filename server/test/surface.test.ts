import { create, createFileRegistry, type DescMethod, type DescService } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { RoleService } from "@sello/gen/admin/v1/role_service_pb";
import { UserService } from "@sello/gen/admin/v1/user_service_pb";
import { AuthService } from "@sello/gen/auth/v1/auth_service_pb";
import { ChannelService } from "@sello/gen/auth/v1/channel_service_pb";
import { KeyService } from "@sello/gen/auth/v1/key_service_pb";
import { MfaService } from "@sello/gen/auth/v1/mfa_service_pb";
import { Access } from "@sello/gen/auth/v1/policy_pb";
import { ProfileService } from "@sello/gen/auth/v1/profile_service_pb";
import { EnvelopeService } from "@sello/gen/backend/v1/envelope_service_pb";
import { KmsService } from "@sello/gen/backend/v1/kms_service_pb";
import { TokenService } from "@sello/gen/backend/v1/token_service_pb";
import { UserDataService } from "@sello/gen/backend/v1/user_data_service_pb";
import { describe, expect, test } from "vitest";
import { type HttpRoute, readHttpRoutes } from "../src/http/http-rules.ts";
import { servedRoutes } from "../src/http/routes.ts";
import { readPolicies } from "../src/rpc/policies.ts";
import { call } from "./support/client.ts";
import { startAppForTest } from "./support/start-app.ts";

const SERVICES: DescService[] = [
  AuthService,
  MfaService,
  ProfileService,
  ChannelService,
  KeyService,
  UserService,
  RoleService,
  TokenService,
  EnvelopeService,
  KmsService,
  UserDataService,
];

describe("the surface", () => {
  test("is these calls, and who may make them", () => {
    const policies = readPolicies(SERVICES);
    const routes = readHttpRoutes(SERVICES);
    const lines = SERVICES.flatMap((service) => service.methods).map((method) => {
      const { access, scope, permission, recentAuthentication, rateLimit, successStatus } = policies.of(method);
      const recent = recentAuthentication ? ", recent" : "";
      const own = routes.filter((route) => route.method === method).map(({ verb, path }) => `${verb} ${path}`);
      return [
        `${method.parent.typeName}/${method.name}`.padEnd(44),
        ((scope || permission || Access[access].toLowerCase()) + recent).padEnd(20),
        (rateLimit ?? "-").padEnd(12),
        (isSealable(method) ? "sealable" : "-").padEnd(8),
        (method.idempotency === 1 ? "reads" : "writes").padEnd(6),
        String(successStatus),
        own.join(", ") || "-",
      ].join(" | ");
    });
    expect(`\n${lines.join("\n")}\n`).toMatchInlineSnapshot(`
      "
      auth.v1.AuthService/Register                 | public               | register_ip  | sealable | writes | 201 | POST /auth/register
      auth.v1.AuthService/Login                    | public               | login_ip     | sealable | writes | 200 | POST /auth/login, POST /auth/token
      auth.v1.AuthService/VerifyMfa                | public               | login_ip     | sealable | writes | 200 | POST /auth/mfa/verify
      auth.v1.AuthService/RefreshToken             | public               | refresh_ip   | sealable | writes | 200 | POST /auth/token/refresh
      auth.v1.AuthService/Logout                   | public               | refresh_ip   | sealable | writes | 200 | POST /auth/logout
      auth.v1.AuthService/GetMe                    | bearer               | -            | sealable | reads  | 200 | GET /auth/me
      auth.v1.AuthService/Reauthenticate           | bearer               | -            | sealable | writes | 200 | -
      auth.v1.AuthService/ChangePassword           | bearer               | -            | sealable | writes | 200 | -
      auth.v1.AuthService/ListSessions             | bearer               | -            | sealable | reads  | 200 | -
      auth.v1.AuthService/RevokeSession            | bearer               | -            | sealable | writes | 200 | -
      auth.v1.MfaService/GetFactors                | bearer               | -            | sealable | reads  | 200 | -
      auth.v1.MfaService/EnrollTotp                | bearer, recent       | -            | sealable | writes | 200 | -
      auth.v1.MfaService/ConfirmTotp               | bearer, recent       | -            | sealable | writes | 200 | -
      auth.v1.MfaService/DisableTotp               | bearer, recent       | -            | sealable | writes | 200 | -
      auth.v1.MfaService/RegenerateRecoveryCodes   | bearer, recent       | -            | sealable | writes | 200 | -
      auth.v1.ProfileService/GetProfile            | bearer               | -            | sealable | reads  | 200 | -
      auth.v1.ProfileService/UpdateProfile         | bearer               | -            | sealable | writes | 200 | -
      auth.v1.ProfileService/UnlockPrivateData     | bearer               | -            | sealable | writes | 200 | -
      auth.v1.ProfileService/UpdatePrivateData     | bearer               | -            | sealable | writes | 200 | -
      auth.v1.ProfileService/GetVault              | bearer               | -            | sealable | reads  | 200 | -
      auth.v1.ProfileService/PutVault              | bearer               | -            | sealable | writes | 200 | -
      auth.v1.ChannelService/Handshake             | public               | handshake_ip | sealable | writes | 200 | POST /auth/handshake
      auth.v1.KeyService/GetJwks                   | public               | -            | -        | reads  | 200 | GET /.well-known/jwks.json
      admin.v1.UserService/ListUsers               | users:read           | -            | sealable | reads  | 200 | GET /admin/users
      admin.v1.UserService/GetUser                 | users:read           | -            | sealable | reads  | 200 | GET /admin/users/{user_id}
      admin.v1.UserService/CreateUser              | users:write          | -            | sealable | writes | 201 | POST /admin/users
      admin.v1.UserService/UpdateUser              | users:write          | -            | sealable | writes | 200 | PATCH /admin/users/{user_id}
      admin.v1.UserService/DeleteUser              | users:write          | -            | sealable | writes | 200 | DELETE /admin/users/{user_id}
      admin.v1.UserService/UnlockUser              | users:write          | -            | sealable | writes | 200 | POST /admin/users/{user_id}:unlock
      admin.v1.UserService/RevokeUserSessions      | users:write          | -            | sealable | writes | 200 | -
      admin.v1.UserService/ListAuditEvents         | audit:read           | -            | sealable | reads  | 200 | -
      admin.v1.RoleService/ListRoles               | roles:read           | -            | sealable | reads  | 200 | GET /admin/roles
      admin.v1.RoleService/GetRole                 | roles:read           | -            | sealable | reads  | 200 | GET /admin/roles/{name}
      admin.v1.RoleService/CreateRole              | roles:write          | -            | sealable | writes | 201 | POST /admin/roles
      admin.v1.RoleService/UpdateRole              | roles:write          | -            | sealable | writes | 200 | PATCH /admin/roles/{name}
      admin.v1.RoleService/DeleteRole              | roles:write          | -            | sealable | writes | 200 | DELETE /admin/roles/{name}
      admin.v1.RoleService/AssignRole              | roles:write          | -            | sealable | writes | 200 | PUT /admin/users/{user_id}/roles/{name}
      admin.v1.RoleService/RevokeRole              | roles:write          | -            | sealable | writes | 200 | DELETE /admin/users/{user_id}/roles/{name}
      backend.v1.TokenService/ValidateToken        | tokens:validate      | -            | -        | reads  | 200 | -
      backend.v1.TokenService/WatchRevocations     | tokens:validate      | -            | -        | reads  | 200 | -
      backend.v1.EnvelopeService/Open              | envelopes:use        | -            | -        | writes | 200 | -
      backend.v1.EnvelopeService/Seal              | envelopes:use        | -            | -        | writes | 200 | -
      backend.v1.KmsService/CreateUserKey          | kms:use              | -            | -        | writes | 200 | -
      backend.v1.KmsService/DecryptKey             | kms:use              | -            | -        | reads  | 200 | -
      backend.v1.UserDataService/GetProtectedData  | users:read_protected | -            | -        | reads  | 200 | -
      "
    `);
  });

  test("has its plain routes behind the base path, and the key set at the root", () => {
    const paths = servedRoutes(readHttpRoutes(SERVICES), "/api").paths;
    expect(paths).toContain("/api/auth/login");
    expect(paths).toContain("/.well-known/jwks.json");
    expect(paths).toContain("/api/admin/users/{user_id}/roles/{name}");
    expect(paths.filter((path) => /^.(auth|admin)/.test(path))).toStrictEqual([]);
  });

  test("never has two routes at one path that take a body: an envelope would open at either", () => {
    const [put] = readHttpRoutes(SERVICES).filter(({ verb, path }) => verb === "PUT" && path.includes("/roles/"));
    const routes = [put, { ...put, verb: "PATCH" }] as HttpRoute[];
    expect(() => servedRoutes(routes, "")).toThrow("takes a body by more than one verb");
    expect(() => servedRoutes([...routes.slice(1), ...routes.slice(1)], "")).toThrow("is declared twice");
  });

  test("has nothing on the port beside it but health, reflection and the pages of operations", async () => {
    const server = await startAppForTest();
    const paths = ["/healthz", "/readyz", "/openapi.json"];
    for (const path of paths) expect((await call(server.url + path)).status).toBe(200);
    for (const path of [
      "/",
      "/metrics",
      "/debug",
      "/auth",
      "/auth/",
      "/admin",
      "/admin/users/",
      "/.well-known/openid-configuration",
    ]) {
      const { status, body } = await call<{ error: { code: string } }>(server.url + path);
      expect({ path, status, code: body.error.code }).toStrictEqual({ path, status: 404, code: "not_found" });
    }
  });
});

describe("an RPC", () => {
  test("that does not say who may call it stops the server", () => {
    expect(() => readPolicies([serviceWithoutAccess()])).toThrow(
      "test.Open/Everything does not declare (auth.v1.access)",
    );
  });

  test("that is not served has no policy", () => {
    const [method] = serviceWithoutAccess().methods as [DescMethod];
    expect(() => readPolicies([]).of(method)).toThrow("test.Open/Everything is not served");
  });
});

function isSealable(method: DescMethod): boolean {
  const names = (fields: { jsonName: string }[]) => fields.map(({ jsonName }) => jsonName);
  const members = ["__front_enc__", "__session_enc__"];
  const [input, output] = [names(method.input.fields), names(method.output.fields)];
  return members.every((member) => input.includes(member) && output.includes(member));
}

function serviceWithoutAccess(): DescService {
  const file = create(FileDescriptorProtoSchema, {
    name: "test.proto",
    package: "test",
    syntax: "proto3",
    messageType: [{ name: "Nothing" }],
    service: [
      { name: "Open", method: [{ name: "Everything", inputType: ".test.Nothing", outputType: ".test.Nothing" }] },
    ],
  });
  const service = createFileRegistry(create(FileDescriptorSetSchema, { file: [file] })).getService("test.Open");
  if (service === undefined) throw new Error("the descriptor holds no service");
  return service;
}
