import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ConnectionOptions, connect } from "node:tls";
import type { Interceptor, Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { certificateSha256 } from "../src/crypto/service-secrets.ts";
import { backend, newServiceAccount, reasonOf } from "./support/backend.ts";
import { startApp, startAppForTest, type TestApp } from "./support/start-app.ts";

type Identity = { cert: Buffer; key: Buffer };
type Options = { baseUrl: string; interceptors: Interceptor[] };

let folder: string;
let server: TestApp;
let tls: Record<string, string>;
let ca: Buffer;
let shop: Identity;
let stranger: Identity;
let secret: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sello-mtls-"));
  const own = await certify("localhost");
  ca = own.cert;
  [shop, stranger] = [await certify("shop"), await certify("stranger")];
  tls = { TLS_CERT_FILE: join(folder, "localhost.pem"), TLS_KEY_FILE: join(folder, "localhost.key") };
  server = await startApp({ env: { ...tls, TLS_CLIENT_CERTIFICATES: "request" } });
  secret = await newServiceAccount(server, { clientCertificate: certificateSha256(shop.cert) });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** A certificate that nobody but itself signed. */
async function certify(name: string): Promise<Identity> {
  const [cert, key] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)];
  const subject = ["-subj", `/CN=${name}`, "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  const options = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
  execFileSync("openssl", [...options, ...subject, "-keyout", key, "-out", cert], { stdio: "ignore" });
  return { cert: await readFile(cert), key: await readFile(key) };
}

const WAYS: [string, (options: Options, node: object) => Transport][] = [
  ["gRPC", (options, nodeOptions) => createGrpcTransport({ ...options, nodeOptions })],
  [
    "gRPC-Web over HTTP/1.1",
    (options, nodeOptions) => createGrpcWebTransport({ ...options, httpVersion: "1.1", nodeOptions }),
  ],
  [
    "Connect over HTTP/1.1",
    (options, nodeOptions) => createConnectTransport({ ...options, httpVersion: "1.1", nodeOptions }),
  ],
];

const callAs = (
  identity: Identity | undefined,
  way = WAYS[0]?.[1],
  { url, as }: { url?: string; as?: string } = {},
) => {
  const client = backend(url ?? server.url, as ?? secret, (options) => {
    const transport = way?.(options, { ca, ...identity });
    if (transport === undefined) throw new Error("there is no transport");
    return transport;
  });
  return reasonOf(client.kms.createUserKey({ userId: "018f0000-0000-7000-8000-000000000001", purpose: "x" }));
};

describe.each(WAYS)("over %s", (_name, way) => {
  test("an account that is bound to a certificate may call with it, and with no other and with none not", async () => {
    expect(await callAs(shop, way)).toBeUndefined();
    expect(await callAs(stranger, way)).toBe("token_invalid");
    expect(await callAs(undefined, way)).toBe("token_invalid");
    expect(await callAs(shop, way)).toBeUndefined();
  });

  test("an account that is bound to none may call with any and with none", async () => {
    const as = await newServiceAccount(server);
    expect(await callAs(undefined, way, { as })).toBeUndefined();
    expect(await callAs(stranger, way, { as })).toBeUndefined();
  });
});

test("a certificate without its key is of no use", async () => {
  await expect(callAs({ cert: shop.cert, key: stranger.key })).resolves.not.toBeUndefined();
});

test("a certificate counts over a connection that resumes another's session", async () => {
  const { hostname, port } = new URL(server.url);
  const options = {
    host: hostname,
    port: Number(port),
    ca,
    ...shop,
    maxVersion: "TLSv1.2",
    servername: "localhost",
  } as const;
  const first = await handshake(options);
  const again = await handshake({ ...options, session: first.session });
  expect(again.reused).toBe(true);
  expect(again.answer).toContain("HTTP/1.1 200");
});

test("a port that asks for no certificates lets nobody in who is bound to one", async () => {
  const plain = await startAppForTest({ env: tls, databaseUrl: server.databaseUrl, keysDir: server.keysDir });
  expect(await callAs(shop, undefined, { url: plain.url })).toBe("token_invalid");
});

test.each([
  ["nothing", ""],
  ["a private key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"],
])("%s is no certificate", (_name, pem) => {
  expect(() => certificateSha256(Buffer.from(pem))).toThrow("the file holds no certificate in PEM");
});

/** One call with the account's secret on a connection of its own. */
function handshake(options: ConnectionOptions): Promise<{ session: Buffer; reused: boolean; answer: string }> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...options, ALPNProtocols: ["http/1.1"] });
    const body = JSON.stringify({ userId: "018f0000-0000-7000-8000-000000000001", purpose: "x" });
    let session = Buffer.alloc(0);
    let answer = "";
    let reused = false;
    socket.on("secureConnect", () => {
      reused = socket.isSessionReused();
    });
    socket.on("session", (ticket) => {
      session = ticket;
    });
    socket.on("error", reject);
    socket.on("data", (chunk) => {
      answer += chunk.toString("latin1");
    });
    socket.on("close", () => resolve({ session, reused, answer }));
    socket.write(
      [
        "POST /backend.v1.KmsService/CreateUserKey HTTP/1.1",
        "host: localhost",
        "content-type: application/json",
        "connection: close",
        `authorization: Bearer ${secret}`,
        `content-length: ${body.length}`,
        "",
        body,
      ].join("\r\n"),
    );
  });
}
