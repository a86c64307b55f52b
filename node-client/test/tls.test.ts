import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { certificateSha256 } from "../../server/src/crypto/service-secrets.ts";
import { newServiceAccount } from "../../server/test/support/backend.ts";
import { startApp, type TestApp } from "../../server/test/support/start-app.ts";
import { createAuth } from "../src/index.ts";
import { codeOf, connect } from "./support/client.ts";

let folder: string;
let server: TestApp;
let ca: Buffer;
let shop: { cert: Buffer; key: Buffer };
let serviceAccount: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sello-node-client-"));
  ca = (await certify("localhost")).cert;
  shop = await certify("shop");
  const files = { TLS_CERT_FILE: join(folder, "localhost.pem"), TLS_KEY_FILE: join(folder, "localhost.key") };
  server = await startApp({ env: { ...files, TLS_CLIENT_CERTIFICATES: "request" } });
  serviceAccount = await newServiceAccount(server, { clientCertificate: certificateSha256(shop.cert) });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** A certificate that nobody but itself signed. */
async function certify(name: string): Promise<{ cert: Buffer; key: Buffer }> {
  const [cert, key] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)];
  const subject = ["-subj", `/CN=${name}`, "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  const options = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
  execFileSync("openssl", [...options, ...subject, "-keyout", key, "-out", cert], { stdio: "ignore" });
  return { cert: await readFile(cert), key: await readFile(key) };
}

const create = (tls: Parameters<typeof createAuth>[0]["tls"]) =>
  connect(server, { serviceAccount, ...(tls !== undefined && { tls }) });

test("an account that is bound to a certificate calls with it over TLS", async () => {
  const { auth } = await create({ ca, ...shop });
  expect(await codeOf(auth.createUserKey("018f0000-0000-7000-8000-000000000001", "x"))).toBe("none");
});

test("without it the account is refused, and no user is", async () => {
  const { auth } = await create({ ca });
  expect(await codeOf(auth.validate("a.b.c"))).toBe("service_account_refused");
});

test("a server that nobody vouches for is not talked to", async () => {
  const { auth, problems } = await create(undefined);
  expect(await codeOf(auth.validate("a.b.c"))).toBe("unavailable");
  expect(problems.every(({ code }) => code === "unavailable")).toBe(true);
});

test("TLS options are not given in vain", () => {
  expect(() => createAuth({ address: "http://localhost:1", serviceAccount: "sa_x", tls: { ca } })).toThrow("tls");
});
