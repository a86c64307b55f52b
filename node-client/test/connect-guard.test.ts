import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { create, fromJson, type JsonObject, toJson } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter, createClient, type Interceptor } from "@connectrpc/connect";
import { connectNodeAdapter, createConnectTransport } from "@connectrpc/connect-node";
import { AuthService } from "@sello/gen/auth/v1/auth_service_pb";
import { TokenService } from "@sello/gen/backend/v1/token_service_pb";
import { FrontEncSchema } from "@sello/gen/envelope/v1/envelope_pb";
import { describe, expect, onTestFinished, test } from "vitest";
import { reasonOf } from "../../server/test/support/backend.ts";
import { callerKey, createTestIssuer, type GuardOptions, type TestIssuer } from "../src/index.ts";

function startIssuer(): TestIssuer {
  const issuer = createTestIssuer();
  onTestFinished(() => issuer[Symbol.asyncDispose]());
  return issuer;
}

/** Another back end's service, of messages that happen to be generated already: it says who calls it. */
async function serveService(issuer: TestIssuer, options?: GuardOptions): Promise<string> {
  const routes = (router: ConnectRouter) => {
    router.service(AuthService, {
      getMe: (_request, context) => ({ user: { username: context.values.get(callerKey)?.user.username ?? "nobody" } }),
      changePassword: (request) => ({ revokedSessions: request.newPassword.length }),
    });
    router.service(TokenService, {
      async *watchRevocations(_request, context) {
        yield { sessionIds: [context.values.get(callerKey)?.user.username ?? "nobody"] };
      },
    });
  };
  const server = createServer(connectNodeAdapter({ routes, interceptors: [issuer.auth.connect(options)] }));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function transportTo(baseUrl: string, token?: string) {
  const authorize: Interceptor = (next) => (request) => {
    if (token !== undefined) request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
  return createConnectTransport({ baseUrl, httpVersion: "1.1", interceptors: [authorize] });
}

describe("a service of connect-es", () => {
  test("finds who calls under the key", async () => {
    const issuer = startIssuer();
    const transport = transportTo(await serveService(issuer), issuer.issue({ username: "anna" }));
    expect((await createClient(AuthService, transport).getMe({})).user?.username).toBe("anna");
    const told: string[] = [];
    for await (const { sessionIds } of createClient(TokenService, transport).watchRevocations({})) {
      told.push(...sessionIds);
    }
    expect(told).toStrictEqual(["anna"]);
  });

  test("is not reached by those who may not, who are told why as the server tells it", async () => {
    const issuer = startIssuer();
    const url = await serveService(issuer, { permission: "orders:read" });
    const getMe = (token?: string) => createClient(AuthService, transportTo(url, token)).getMe({});
    expect(await reasonOf(getMe())).toBe("token_missing");
    expect(await reasonOf(getMe("a.b.c"))).toBe("token_invalid");
    expect(await reasonOf(getMe(issuer.issue()))).toBe("forbidden");
    const failure = ConnectError.from(await getMe().catch((error: unknown) => error));
    expect([failure.code, failure.metadata.get("www-authenticate")]).toStrictEqual([Code.Unauthenticated, "Bearer"]);
    const token = issuer.issue({ permissions: ["orders:read"] });
    issuer.setDown(true);
    expect(await reasonOf(getMe(token))).toBe("unavailable");
  });

  test("gets a sealed message opened, and its answer goes out sealed", async () => {
    const issuer = startIssuer();
    const url = await serveService(issuer, { sealed: "required" });
    const client = createClient(AuthService, transportTo(url, issuer.issue()));
    const passwords = { current_password: "one", new_password: "four" };
    const sealed = await issuer.seal(passwords, { binding: "/auth.v1.AuthService/ChangePassword" });
    const frontEnc = fromJson(FrontEncSchema, sealed.body.__front_enc__ as JsonObject);
    const answer = await client.changePassword({ frontEnc });
    expect(answer.revokedSessions).toBe(0);
    const opened = await sealed.open({
      __front_enc__: toJson(FrontEncSchema, answer.frontEnc ?? create(FrontEncSchema)),
    });
    expect(opened).toMatchObject({ revoked_sessions: 4 });
    expect(await reasonOf(client.changePassword({ frontEnc }))).toBe("envelope_replayed");
    expect(await reasonOf(client.changePassword({ newPassword: "four" }))).toBe("envelope_required");
    expect(await reasonOf(client.changePassword({ frontEnc, newPassword: "four" }))).toBe("invalid_request");
  });

  test("cannot be streamed from where messages must be sealed", async () => {
    const issuer = startIssuer();
    const transport = transportTo(await serveService(issuer, { sealed: "required" }), issuer.issue());
    const watch = async () => {
      for await (const _told of createClient(TokenService, transport).watchRevocations({}));
    };
    expect(await reasonOf(watch())).toBe("envelope_required");
  });
});
