import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import { bareEnvironment } from "./support/server-processes.ts";
import { startAppForTest } from "./support/start-app.ts";

const HEALTH_CHECK = fileURLToPath(new URL("../dist/health-check.js", import.meta.url));

/** The exit code of the container's check in this environment. */
async function check(env: Record<string, string>): Promise<number> {
  const child = spawn(process.execPath, [HEALTH_CHECK], { env: bareEnvironment(env), stdio: "ignore" });
  const [code] = await once(child, "exit");
  return code;
}

async function selfSigned(): Promise<{ TLS_CERT_FILE: string; TLS_KEY_FILE: string }> {
  const folder = await mkdtemp(join(tmpdir(), "sello-tls-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"];
  const args = ["req", ...kind, "-subj", "/CN=auth.example.com", "-keyout", key, "-out", cert];
  execFileSync("openssl", args, { stdio: "ignore" });
  return { TLS_CERT_FILE: cert, TLS_KEY_FILE: key };
}

describe("a container's health", () => {
  test.each(["127.0.0.1", "0.0.0.0"])("is asked for on the port of the server, which listens on %s", async (host) => {
    const { app } = await startAppForTest({ env: { HOST: host } });
    expect(await check({ HOST: host, PORT: String(app.port) })).toBe(0);
  });

  test("is asked for over TLS where the server speaks it", async () => {
    const tls = await selfSigned();
    const { app } = await startAppForTest({ env: tls });
    expect(await check({ ...tls, PORT: String(app.port) })).toBe(0);
    expect(await check({ PORT: String(app.port) })).toBe(1);
  });

  test("stays good while a store is away", async () => {
    const server = await startAppForTest();
    server.app.stores.isReady = async () => false;
    expect((await fetch(`${server.url}/readyz`)).status).toBe(503);
    expect(await check({ PORT: String(server.app.port) })).toBe(0);
  });

  test("is bad where nobody listens", async () => {
    expect(await check({ PORT: "1" })).toBe(1);
  });
});
