import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { TokenService } from "@sello/gen/backend/v1/token_service_pb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { registerUser } from "./support/client.ts";
import { bareEnvironment, createServerProcesses, type ServerProcesses } from "./support/server-processes.ts";

const CLI = fileURLToPath(new URL("../dist/cli.js", import.meta.url));
const run = promisify(execFile);

let servers: ServerProcesses;
let url: string;
/** A server with embedded stores, which nobody stops for the sake of a command. */
beforeAll(async () => {
  servers = await createServerProcesses();
  url = (await servers.start()).url;
});
afterAll(() => servers[Symbol.asyncDispose]());

async function cli(...args: string[]): Promise<{ code: number; said: string }> {
  try {
    const { stdout } = await run(process.execPath, [CLI, ...args], { cwd: servers.folder, env: bareEnvironment() });
    return { code: 0, said: stdout.trim() };
  } catch (error) {
    const { code, stderr } = error as { code: number; stderr: string };
    return { code, said: stderr.trim() };
  }
}

const tokensOf = (secret: string) =>
  createClient(
    TokenService,
    createGrpcTransport({
      baseUrl: url,
      interceptors: [
        (next) => (request) => {
          request.header.set("authorization", `Bearer ${secret}`);
          return next(request);
        },
      ],
    }),
  );

describe("a service account from the command line", () => {
  test("is made beside a running server, works at once, is listed and ends", async () => {
    const { access_token: accessToken, user } = await registerUser(url);
    const { code, said: secret } = await cli("create-service-account", "shop", "--scopes", "tokens:validate");
    expect([code, secret]).toStrictEqual([0, expect.stringMatching(/^sa_[\w-]{43}$/)]);
    expect((await tokensOf(secret).validateToken({ accessToken })).userId).toBe(user.id);
    expect((await cli("list-service-accounts")).said).toMatch(
      /^shop {2}tokens:validate {2}any path {2}any connection {2}created /,
    );
    expect((await cli("disable-service-account", "shop")).code).toBe(0);
    const refused = () =>
      tokensOf(secret)
        .validateToken({ accessToken })
        .then(
          () => "accepted",
          () => "refused",
        );
    await expect.poll(refused, { timeout: 5_000, interval: 100 }).toBe("refused");
    expect((await cli("list-service-accounts")).said).toContain("disabled");
  });

  test.each([
    ["without scopes", ["create-service-account", "one"], /scope/],
    [
      "with a scope that there is not",
      ["create-service-account", "two", "--scopes", "everything"],
      /^scopes: must be some of tokens:validate/,
    ],
    ["without a name", ["create-service-account", "--scopes", "kms:use"], /Give the name/],
    [
      "with a certificate that there is not",
      ["create-service-account", "three", "--scopes", "kms:use", "--client-certificate", "/nope"],
      /\/nope/,
    ],
  ])("%s is refused in a sentence", async (_name, args, words) => {
    const { code, said } = await cli(...args);
    expect(code).toBe(1);
    expect(said).toMatch(words);
    expect(said).not.toContain("    at ");
  });

  test("has a name of its own", async () => {
    expect((await cli("create-service-account", "taken", "--scopes", "kms:use")).code).toBe(0);
    const again = await cli("create-service-account", "taken", "--scopes", "kms:use");
    expect([again.code, again.said]).toStrictEqual([1, expect.stringContaining("of this name already")]);
  });

  test("can be restricted to what is sealed for some paths", async () => {
    const args = ["create-service-account", "orders", "--scopes", "envelopes:use", "--bindings"];
    expect((await cli(...args, "/payments,/orders")).code).toBe(0);
    expect((await cli("list-service-accounts")).said).toMatch(
      /^orders {2}envelopes:use {2}\/orders,\/payments {2}any connection {2}created /m,
    );
    const refused = await cli(...args.with(1, "other"), "orders");
    expect([refused.code, refused.said]).toStrictEqual([
      1,
      expect.stringContaining("bindings: must be 1 to 100 paths"),
    ]);
  });

  test("can be bound to a certificate", async () => {
    const pem = join(servers.folder, "client.pem");
    await run("openssl", [
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-nodes",
      "-days",
      "1",
      "-subj",
      "/CN=shop",
      "-keyout",
      `${pem}.key`,
      "-out",
      pem,
    ]);
    const made = await cli("create-service-account", "bound", "--scopes", "kms:use", "--client-certificate", pem);
    expect(made.code).toBe(0);
    expect((await cli("list-service-accounts")).said).toMatch(/^bound .* certificate [0-9a-f]{64} /m);
    await writeFile(pem, "no certificate");
    const refused = await cli("create-service-account", "none", "--scopes", "kms:use", "--client-certificate", pem);
    expect([refused.code, refused.said]).toStrictEqual([1, expect.stringContaining("certificate")]);
  });
});

test("a master key is rotated, and the schema brought up to date, beside a running server", async () => {
  expect((await cli("rotate-kms-key")).said).toContain("has a new master key");
  expect((await cli("migrate")).said).toBe("The schema is at its newest migration.");
});

describe("what the KMS wrapped", () => {
  test("is re-wrapped beside a running server after a rotation, once", async () => {
    expect((await cli("rotate-kms-key")).code).toBe(0);
    const done = "server_keys: 1 re-wrapped, 0 current, 0 changed meanwhile, 0 failed";
    expect(await cli("rewrap")).toStrictEqual({ code: 0, said: expect.stringContaining(done) });
    const nothing = "server_keys: 0 re-wrapped, 1 current, 0 changed meanwhile, 0 failed";
    expect(await cli("rewrap")).toStrictEqual({ code: 0, said: expect.stringContaining(nothing) });
  });
});
