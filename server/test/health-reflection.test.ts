import { fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import type { ServiceError } from "@grpc/grpc-js";
import { AuthService } from "@sello/gen/auth/v1/auth_service_pb";
import { ErrorInfoSchema } from "@sello/gen/google/rpc/error_details_pb";
import {
  ServerReflection,
  type ServerReflectionRequestSchema,
  type ServerReflectionResponse,
} from "@sello/gen/grpc/reflection/v1/reflection_pb";
import { ServerReflection as ServerReflectionV1Alpha } from "@sello/gen/grpc/reflection/v1alpha/reflection_pb";
import { Health, HealthCheckResponse_ServingStatus as Status } from "@sello/gen/health/v1/health_pb";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { createInfrastructure } from "../src/rpc/infrastructure.ts";
import { createReadiness } from "../src/rpc/readiness.ts";
import { call } from "./support/client.ts";
import { callGrpc, grpcJsClient } from "./support/grpc-js.ts";
import { startApp, startAppForTest, type TestApp } from "./support/start-app.ts";

let server: TestApp;
beforeAll(async () => {
  server = await startApp();
});
afterAll(() => server[Symbol.asyncDispose]());

const SERVED = [
  "admin.v1.RoleService",
  "admin.v1.UserService",
  "auth.v1.AuthService",
  "auth.v1.ChannelService",
  "auth.v1.KeyService",
  "auth.v1.MfaService",
  "auth.v1.ProfileService",
  "backend.v1.EnvelopeService",
  "backend.v1.KmsService",
  "backend.v1.TokenService",
  "backend.v1.UserDataService",
];
const SERVICES = ["", ...SERVED];

function healthClient(url = server.url) {
  const client = grpcJsClient(url, Health);
  onTestFinished(() => client.close());
  return client;
}

/** A server whose stores answer or do not, as the test says. */
async function startMoody(): Promise<TestApp & { ready: boolean }> {
  const moody = Object.assign(await startAppForTest(), { ready: true });
  moody.app.stores.isReady = async () => moody.ready;
  return moody;
}

describe("grpc.health.v1 by @grpc/grpc-js", () => {
  test.each(SERVICES)("says that %j serves", async (service) => {
    expect(await callGrpc(healthClient(), "Check", { service })).toMatchObject({ status: Status.SERVING });
  });

  test("knows no other service, in the contract's words", async () => {
    const error = await callGrpc(healthClient(), "Check", { service: "auth.v1.Unknown" }).catch((e: ServiceError) => e);
    expect(error).toMatchObject({ code: Code.NotFound, details: "There is nothing here." });
  });

  test("lists every service", async () => {
    const { statuses } = (await callGrpc(healthClient(), "List", {})) as unknown as { statuses: object };
    expect(Object.keys(statuses).sort()).toStrictEqual(SERVICES);
  });

  test("says so when a store does not answer, and tells who watches", async () => {
    const moody = await startMoody();
    const client = healthClient(moody.url);
    const heard: unknown[] = [];
    const watch = client.makeServerStreamRequest(
      "/grpc.health.v1.Health/Watch",
      () => Buffer.alloc(0),
      (bytes: Buffer) => bytes[1],
      {},
    );
    watch.on("data", (status) => heard.push(status));
    watch.on("error", () => undefined);
    await expect.poll(() => heard).toStrictEqual([Status.SERVING]);
    moody.ready = false;
    await expect.poll(() => heard, { timeout: 5_000 }).toStrictEqual([Status.SERVING, Status.NOT_SERVING]);
    expect(await callGrpc(client, "Check", {})).toMatchObject({ status: Status.NOT_SERVING });
    moody.ready = true;
    await expect.poll(() => heard, { timeout: 5_000 }).toHaveLength(3);
    watch.cancel();
  });

  test("tells a watcher of an unknown service that it is unknown, and goes on", async () => {
    const watch = healthClient().makeServerStreamRequest(
      "/grpc.health.v1.Health/Watch",
      () => Buffer.from([0x0a, 0x01, 0x78]),
      (bytes: Buffer) => bytes[1],
      {},
    );
    watch.on("error", () => undefined);
    const first = await new Promise((resolve) => watch.once("data", resolve));
    expect(first).toBe(Status.SERVICE_UNKNOWN);
    watch.cancel();
  });
});

describe("grpc.health.v1 by the other protocols", () => {
  test.each([
    ["Connect", createConnectTransport],
    ["gRPC-Web", createGrpcWebTransport],
  ])("answers %s", async (_name, createTransport) => {
    const client = createClient(Health, createTransport({ baseUrl: server.url, httpVersion: "1.1" }));
    expect((await client.check({})).status).toBe(Status.SERVING);
    const refused = await client.check({ service: "x" }).catch((error: ConnectError) => error);
    expect(ConnectError.from(refused).code).toBe(Code.NotFound);
    expect(ConnectError.from(refused).findDetails(ErrorInfoSchema)).toMatchObject([{ reason: "not_found" }]);
  });
});

describe("the pages of operations", () => {
  test("say alive and ready", async () => {
    expect(await call(`${server.url}/healthz`)).toMatchObject({ status: 200, body: { status: "ok" } });
    expect(await call(`${server.url}/readyz`)).toMatchObject({ status: 200, body: { status: "ready" } });
  });

  test("say alive but not ready when a store does not answer", async () => {
    const moody = await startMoody();
    moody.ready = false;
    expect(await call(`${moody.url}/readyz`)).toMatchObject({ status: 503, body: { status: "unavailable" } });
    expect((await call(`${moody.url}/healthz`)).status).toBe(200);
  });

  test("hold the OpenAPI document, with the routes where this server has them", async () => {
    const based = await startAppForTest({ env: { HTTP_BASE_PATH: "/api" } });
    const pathsAt = async (url: string) =>
      Object.keys((await call<{ paths: object }>(`${url}/openapi.json`)).body.paths).sort();
    const paths = await pathsAt(server.url);
    expect(paths).toEqual(expect.arrayContaining(["/auth/login", "/auth/me", "/.well-known/jwks.json"]));
    const expected = paths.map((path) => (path.startsWith("/.well-known") ? path : `/api${path}`));
    expect(await pathsAt(based.url)).toStrictEqual(expected.sort());
  });
});

type Query = MessageInitShape<typeof ServerReflectionRequestSchema>["messageRequest"];

const REFLECTIONS = [
  ["v1", ServerReflection],
  ["v1alpha", ServerReflectionV1Alpha],
] as const;

describe.each(REFLECTIONS)("reflection %s", (_version, service) => {
  const ask = async (...queries: NonNullable<Query>[]): Promise<ServerReflectionResponse["messageResponse"][]> => {
    const client = createClient(service, createGrpcTransport({ baseUrl: server.url }));
    async function* requests() {
      for (const messageRequest of queries) yield { host: "x", messageRequest };
    }
    const answers: ServerReflectionResponse["messageResponse"][] = [];
    for await (const answer of client.serverReflectionInfo(requests())) {
      expect(answer.validHost).toBe("x");
      answers.push(answer.messageResponse as ServerReflectionResponse["messageResponse"]);
    }
    return answers;
  };
  const filesOf = (answer: ServerReflectionResponse["messageResponse"] | undefined): string[] =>
    answer?.case === "fileDescriptorResponse"
      ? answer.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name)
      : [];

  test("lists every service", async () => {
    const [answer] = await ask({ case: "listServices", value: "" });
    const names = answer?.case === "listServicesResponse" ? answer.value.service.map(({ name }) => name) : [];
    expect(names.sort()).toStrictEqual([
      ...SERVED,
      "grpc.health.v1.Health",
      "grpc.reflection.v1.ServerReflection",
      "grpc.reflection.v1alpha.ServerReflection",
    ]);
  });

  test.each([
    "auth.v1.AuthService",
    "auth.v1.AuthService.Login",
    "auth.v1.LoginRequest",
    "auth.v1.User",
    "userdata.v1.PublicData",
    "envelope.v1.FrontEnc",
    "auth.v1.Access",
    "auth.v1.access",
    "grpc.health.v1.HealthCheckResponse.ServingStatus",
  ])("finds the file of %s, and all that it needs", async (symbol) => {
    const [answer] = await ask({ case: "fileContainingSymbol", value: symbol });
    const files = filesOf(answer);
    expect(files.length).toBeGreaterThan(0);
    expect(new Set(files).size).toBe(files.length);
    if (answer?.case !== "fileDescriptorResponse") throw new Error("no file came");
    for (const bytes of answer.value.fileDescriptorProto) {
      for (const dependency of fromBinary(FileDescriptorProtoSchema, bytes).dependency)
        expect(files).toContain(dependency);
    }
  });

  test("finds files by name and by extension, and the numbers of extensions", async () => {
    const answers = await ask(
      { case: "fileByFilename", value: "auth/v1/auth_service.proto" },
      {
        case: "fileContainingExtension",
        value: { containingType: "google.protobuf.MethodOptions", extensionNumber: 50001 },
      },
      { case: "allExtensionNumbersOfType", value: "google.protobuf.MethodOptions" },
    );
    expect(filesOf(answers[0])).toContain("auth/v1/auth_service.proto");
    expect(filesOf(answers[1])).toContain("auth/v1/policy.proto");
    expect(answers[2]).toMatchObject({
      case: "allExtensionNumbersResponse",
      value: { extensionNumber: expect.arrayContaining([50001, 50002, 50003]) },
    });
  });

  test("answers not found, and goes on", async () => {
    const answers = await ask(
      { case: "fileContainingSymbol", value: "auth.v1.Nothing" },
      { case: "fileByFilename", value: "../../etc/passwd" },
      { case: "fileContainingExtension", value: { containingType: "x.Y", extensionNumber: 1 } },
      { case: undefined },
      { case: "listServices", value: "" },
    );
    expect(answers.map((answer) => answer.case)).toStrictEqual([
      "errorResponse",
      "errorResponse",
      "errorResponse",
      "errorResponse",
      "listServicesResponse",
    ]);
    expect(answers[0]).toMatchObject({ value: { errorCode: Code.NotFound } });
  });
});

test("reflection is off where it is turned off, health is not", () => {
  const { rpcs } = createInfrastructure({
    services: [AuthService],
    readiness: createReadiness({ look: async () => true, stopping: new AbortController().signal }),
    reflection: false,
    readMaxBytes: 1_000,
    shutdownSignal: new AbortController().signal,
  });
  expect([...rpcs.keys()].sort()).toStrictEqual([
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/List",
    "/grpc.health.v1.Health/Watch",
  ]);
});
