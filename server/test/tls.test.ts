import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { connect } from "node:http2";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newUser } from "./support/client.ts";
import { startApp, type TestApp } from "./support/start-app.ts";

let folder: string;
let server: TestApp;
let ca: Buffer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sello-tls-"));
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  const options = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
  execFileSync("openssl", [...options, ...subject, "-keyout", key, "-out", cert], { stdio: "ignore" });
  ca = await readFile(cert);
  server = await startApp({ env: { TLS_CERT_FILE: cert, TLS_KEY_FILE: key } });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

describe("with certificates", () => {
  test("the port speaks HTTP/1.1 over TLS, tells browsers to stay with it, and sets a __Host- cookie", async () => {
    const { status, headers } = await post("/auth/register", { ...newUser(), use_cookie: true });
    expect(status).toBe(201);
    expect(headers["strict-transport-security"]).toBe("max-age=63072000");
    expect(headers["set-cookie"]).toStrictEqual([
      expect.stringMatching(
        /^__Host-refresh=rt_[\w-]{43}; Max-Age=604800; HttpOnly; Secure; SameSite=Strict; Path=\/$/,
      ),
    ]);
  });

  test("the port speaks HTTP/2 over TLS where the client asks for it", async () => {
    const session = connect(server.url, { ca });
    const stream = session.request({ ":path": "/healthz" });
    const status = await new Promise((resolve, reject) => {
      stream.on("response", (headers) => resolve(headers[":status"]));
      stream.resume();
      stream.on("error", reject);
    });
    expect(status).toBe(200);
    expect(session.alpnProtocol).toBe("h2");
    session.close();
  });

  test("the port speaks nothing in clear text", async () => {
    await expect(fetch(server.url.replace("https:", "http:"))).rejects.toThrow("fetch failed");
  });
});

function post(path: string, body: object): Promise<{ status?: number; headers: NodeJS.Dict<string | string[]> }> {
  return new Promise((resolve, reject) => {
    const outgoing = request(`${server.url}${path}`, {
      method: "POST",
      ca,
      headers: { "content-type": "application/json" },
    });
    outgoing.on("response", (response) => {
      response.resume();
      response.on("end", () =>
        resolve({ ...(response.statusCode && { status: response.statusCode }), headers: response.headers }),
      );
    });
    outgoing.on("error", reject);
    outgoing.end(JSON.stringify(body));
  });
}
