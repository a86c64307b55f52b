import { execFile, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import {
  create,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { credentials, Metadata, makeGenericClientConstructor, type ServiceError } from "@grpc/grpc-js";
import { AuthService } from "@sello/gen/auth/v1/auth_service_pb";
import { ErrorInfoSchema } from "@sello/gen/google/rpc/error_details_pb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newUser } from "./support/client.ts";
import { startApp, type TestApp } from "./support/start-app.ts";

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const PYTHON = "/usr/bin/python3";
const required = (process.env["SELLO_REQUIRE"] ?? "").split(",");

/** Whether a client is not on this machine, and nobody asked for it. */
function missing(name: string, command: string, args: string[]): boolean {
  return !required.includes(name) && spawnSync(command, args).status !== 0;
}

let server: TestApp;
beforeAll(async () => {
  server = await startApp();
});
afterAll(() => server[Symbol.asyncDispose]());

/** A call by method and JSON; the answer, or the text of what was refused. */
type JsonCall = (method: string, message: object, token?: string) => Promise<Record<string, string>>;

async function completeFlow(call: JsonCall): Promise<void> {
  const user = newUser();
  await call("Register", user);
  const login = await call("Login", { identifier: user.username, password: user.password });
  const own = await call("GetMe", {}, login["accessToken"]);
  expect(own["user"]).toMatchObject({ email: user.email });
  const next = await call("RefreshToken", { refreshToken: login["refreshToken"] });
  expect(next["refreshToken"]).not.toBe(login["refreshToken"]);
  await call("Logout", { refreshToken: next["refreshToken"] });
  await expect(call("GetMe", {}, next["accessToken"])).rejects.toThrow(/session of this access token is over/);
}

describe("a client that is not ours", () => {
  test.each(["grpc", "grpcweb", "connect"])(
    "buf curl over %s, without a schema, completes every call",
    async (protocol) => {
      await completeFlow(async (method, message, token) => {
        const options = ["curl", "--protocol", protocol, "--http2-prior-knowledge", "-d", JSON.stringify(message)];
        const headers = token === undefined ? [] : ["-H", `authorization: Bearer ${token}`];
        const url = `${server.url}/auth.v1.AuthService/${method}`;
        const { stdout } = await run("node_modules/.bin/buf", [...options, ...headers, url], { cwd: ROOT });
        return JSON.parse(stdout || "{}");
      });
    },
  );

  test.skipIf(missing("curl", "curl", ["--version"]))("curl completes every call on the plain routes", async () => {
    const routes: Record<string, string> = {
      Register: "register",
      Login: "login",
      RefreshToken: "token/refresh",
      Logout: "logout",
      GetMe: "me",
    };
    await completeFlow(async (method, message, token) => {
      const data = method === "GetMe" ? [] : ["-H", "content-type: application/json", "-d", JSON.stringify(message)];
      const headers = token === undefined ? [] : ["-H", `authorization: Bearer ${token}`];
      const { stdout } = await run("curl", ["-sS", ...data, ...headers, `${server.url}/auth/${routes[method]}`]);
      const { error, access_token, refresh_token, ...rest } = JSON.parse(stdout);
      if (error !== undefined) throw new Error(error.message);
      return { accessToken: access_token, refreshToken: refresh_token, ...rest };
    });
  });

  test("connect-web completes every call", async () => {
    const client = createClient(AuthService, createConnectTransport({ baseUrl: server.url }));
    const methods = client as unknown as Record<string, (message: object, options: object) => ReturnType<JsonCall>>;
    await completeFlow(async (name, message, token) => {
      const method = methods[name.charAt(0).toLowerCase() + name.slice(1)];
      if (method === undefined) throw new Error(`${name} is no method`);
      return method(message, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } });
    });
  });

  test("@grpc/grpc-js completes every call, and reads the error's details", async () => {
    const client = grpcJsClient(server.url);
    await completeFlow((method, message, token) => client.call(method, message, token));
    const refused = await client.call("GetMe", {}).catch((error: ServiceError) => error);
    const [status] = (refused as ServiceError).metadata.get("grpc-status-details-bin");
    const info = toBinary(ErrorInfoSchema, create(ErrorInfoSchema, { reason: "token_missing", domain: "auth" }));
    expect(Buffer.from(status ?? "").includes(Buffer.from(info))).toBe(true);
    client.close();
  });

  test.skipIf(missing("python", PYTHON, ["-c", "import grpc, google.protobuf"]))(
    "python's grpcio completes every call",
    async () => {
      const script = fileURLToPath(new URL("support/python_client.py", import.meta.url));
      const image = await run("node_modules/.bin/buf", ["build", "-o", "-#format=binpb"], {
        cwd: ROOT,
        encoding: "buffer",
        maxBuffer: 1 << 26,
      });
      const python = execFile(PYTHON, [script, new URL(server.url).host, JSON.stringify(newUser())]);
      python.stdin?.end(image.stdout);
      let output = "";
      for (const stream of [python.stdout, python.stderr]) stream?.on("data", (chunk) => (output += chunk));
      const code = await new Promise((resolve) => python.once("exit", resolve));
      expect(output.trim()).toBe("register login me refresh logout UNAUTHENTICATED");
      expect(code).toBe(0);
    },
  );
});

function grpcJsClient(url: string) {
  const definition = Object.fromEntries(
    AuthService.methods.map((method) => [
      method.name,
      {
        path: `/${AuthService.typeName}/${method.name}`,
        requestStream: false,
        responseStream: false,
        requestSerialize: (message: object) =>
          Buffer.from(toBinary(method.input, create(method.input, message as MessageInitShape<typeof method.input>))),
        requestDeserialize: (bytes: Buffer) => fromBinary(method.input, bytes),
        responseSerialize: (message: MessageShape<DescMethodUnary["output"]>) =>
          Buffer.from(toBinary(method.output, message)),
        responseDeserialize: (bytes: Buffer) => fromBinary(method.output, bytes),
      },
    ]),
  );
  const Client = makeGenericClientConstructor(definition, AuthService.typeName);
  const client = new Client(new URL(url).host, credentials.createInsecure());
  const methods = client as unknown as Record<
    string,
    (message: object, metadata: Metadata, done: (error: unknown, answer: never) => void) => void
  >;
  return {
    close: () => client.close(),
    call: (method: string, message: object, token?: string) =>
      new Promise<Record<string, string>>((resolve, reject) => {
        const metadata = new Metadata();
        if (token !== undefined) metadata.set("authorization", `Bearer ${token}`);
        methods[method]?.call(client, message, metadata, (error, answer) => (error ? reject(error) : resolve(answer)));
      }),
  };
}
