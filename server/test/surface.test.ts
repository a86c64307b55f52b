import { create, createFileRegistry } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { AuthService } from "@sello/gen/auth/v1/auth_service_pb";
import { KeyService } from "@sello/gen/auth/v1/key_service_pb";
import { Access } from "@sello/gen/auth/v1/policy_pb";
import { describe, expect, test } from "vitest";
import { readHttpRoutes, servedRoutes } from "../src/http/http-rules.ts";
import { readPolicies } from "../src/rpc/policies.ts";

const SERVICES = [AuthService, KeyService];

describe("the surface", () => {
  test("is this, and nothing else", () => {
    const policies = readPolicies(SERVICES);
    const routes = readHttpRoutes(SERVICES);
    const lines = SERVICES.flatMap((service) => service.methods).map((method) => {
      const { access, rateLimit, successStatus } = policies.of(method);
      const paths = routes.filter((route) => route.method === method).map(({ verb, path }) => `${verb} ${path}`);
      const sealable = method.input.fields.some(({ number }) => number === 100) ? "sealable" : "plain";
      const name = `${method.parent.typeName}/${method.name}`;
      return [name, Access[access], sealable, rateLimit ?? "-", successStatus, paths.join(", ") || "-"].join(" | ");
    });
    expect(lines).toMatchInlineSnapshot(`
      [
        "auth.v1.AuthService/Register | PUBLIC | sealable | register_ip | 201 | POST /auth/register",
        "auth.v1.AuthService/Login | PUBLIC | sealable | login_ip | 200 | POST /auth/login, POST /auth/token",
        "auth.v1.AuthService/RefreshToken | PUBLIC | sealable | refresh_ip | 200 | POST /auth/token/refresh",
        "auth.v1.AuthService/Logout | PUBLIC | sealable | - | 200 | POST /auth/logout",
        "auth.v1.AuthService/GetMe | BEARER | sealable | - | 200 | GET /auth/me",
        "auth.v1.AuthService/ChangePassword | BEARER | sealable | - | 200 | -",
        "auth.v1.AuthService/ListSessions | BEARER | sealable | - | 200 | -",
        "auth.v1.AuthService/RevokeSession | BEARER | sealable | - | 200 | -",
        "auth.v1.KeyService/GetJwks | PUBLIC | plain | - | 200 | GET /.well-known/jwks.json",
      ]
    `);
  });

  test("has its plain routes behind the base path, and the key set at the root", () => {
    const paths = [...servedRoutes(readHttpRoutes(SERVICES), "/api").keys()];
    expect(paths).toContain("/api/auth/login");
    expect(paths).toContain("/.well-known/jwks.json");
    expect(paths.filter((path) => path.startsWith("/auth"))).toStrictEqual([]);
  });

  test("cannot grow by an RPC that does not say who may call it", () => {
    const file = create(FileDescriptorProtoSchema, {
      name: "test.proto",
      package: "test.v1",
      syntax: "proto3",
      messageType: [{ name: "Nothing" }],
      service: [
        { name: "Open", method: [{ name: "Door", inputType: ".test.v1.Nothing", outputType: ".test.v1.Nothing" }] },
      ],
    });
    const service = createFileRegistry(file, () => undefined).getService("test.v1.Open");
    expect(service).toBeDefined();
    expect(() => readPolicies(service === undefined ? [] : [service])).toThrow(
      "test.v1.Open/Door does not declare (auth.v1.access)",
    );
  });
});
