import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { ConfigError, readConfig } from "../src/config.ts";
import type { Env } from "../src/env.ts";

const EXAMPLE = readFileSync(fileURLToPath(new URL("../../.env.example", import.meta.url)), "utf8");

const PRODUCTION: Env = {
  APP_ENV: "production",
  DATABASE_URL: "postgres://sello@db/sello",
  REDIS_URL: "redis://redis:6379",
  ISSUER: "https://auth.example.com",
};

describe("the configuration", () => {
  test("has a default for everything in development", () => {
    const { config, secrets } = readConfig({});
    expect(config).toMatchObject({ environment: "development", port: 8080, accessTtlS: 900, refreshTtlS: 604_800 });
    expect(secrets).toStrictEqual({ databaseUrl: undefined, redisUrl: undefined, passwordPepper: undefined });
    expect(config.corsOrigins).toContain("http://localhost:8080");
  });

  test("says every problem at once", () => {
    expect.assertions(2);
    try {
      readConfig({ PORT: "eighty", ACCESS_TTL_S: "-1", CORS_ORIGINS: "https://a.example/,null", REDIS_CLUSTER: "yes" });
    } catch (error) {
      expect(error).toBeInstanceOf(ConfigError);
      expect((error as ConfigError).problems.map((problem) => problem.split(":")[0])).toStrictEqual([
        "PORT",
        "ACCESS_TTL_S",
        "CORS_ORIGINS",
        "CORS_ORIGINS",
        "REDIS_CLUSTER",
      ]);
    }
  });

  test.each([
    [{ HTTP_BASE_PATH: "api" }, "HTTP_BASE_PATH"],
    [{ TLS_CERT_FILE: "cert.pem" }, "TLS_CERT_FILE"],
    [{ TLS_CLIENT_CERTIFICATES: "request" }, "TLS_CLIENT_CERTIFICATES"],
    [{ KMS_PROVIDER: "vault" }, "KMS_PROVIDER"],
    [{ WORKERS: "4" }, "WORKERS"],
    [{ REDIS_CLUSTER: "true" }, "REDIS_CLUSTER"],
    [{ RATE_LIMIT_LOGIN_IP: "sixty" }, "RATE_LIMIT_LOGIN_IP"],
    [{ ENVELOPE_POLICY: "sealed" }, "ENVELOPE_POLICY"],
    [{ ENVELOPE_POLICY: "plain-allowed,GetMe=sealed-required" }, "ENVELOPE_POLICY"],
    [{ KEY_GRACE_S: "900" }, "KEY_GRACE_S"],
    [{ PASSWORD_PEPPER: "short" }, "PASSWORD_PEPPER"],
    [{ DATABASE_URL: "mysql://db" }, "DATABASE_URL"],
    [{ RSA_BITS: "1024" }, "RSA_BITS"],
    [{ SIGNING_ALG: "HS256" }, "SIGNING_ALG"],
    [{ TRUSTED_PROXIES: "10.0.0.0/99" }, "TRUSTED_PROXIES"],
    [{ PORT: "9464" }, "METRICS_PORT"],
    [{ WORKERS: "2", REDIS_URL: "redis://redis", PORT: "9465" }, "METRICS_PORT"],
    [{ WORKERS: "2", REDIS_URL: "redis://redis", METRICS_PORT: "65535" }, "METRICS_PORT"],
  ])("refuses %j", (env, name) => {
    expect(() => readConfig(env)).toThrow(new RegExp(`\n  ${name}: `));
  });

  test.each([
    { PORT: "0", METRICS_PORT: "0" },
    { PORT: "9465" },
    { WORKERS: "2", REDIS_URL: "redis://redis", PORT: "9466" },
    { WORKERS: "2", REDIS_URL: "redis://redis", METRICS_PORT: "65534" },
  ])("takes %j", (env) => {
    expect(() => readConfig(env)).not.toThrow();
  });

  test.each(["DATABASE_URL", "REDIS_URL", "ISSUER"])("stops a production start without %s", (name) => {
    expect(() => readConfig({ ...PRODUCTION, [name]: "" })).toThrow(new RegExp(`\n  ${name}: `));
  });

  test("requires bound envelopes in production and real hashes", () => {
    expect(readConfig(PRODUCTION).config.frontEncAad).toBe("required");
    expect(() => readConfig({ ...PRODUCTION, ARGON2_MEMORY_KIB: "8" })).toThrow("ARGON2_MEMORY_KIB");
  });

  test("reads the envelope policy with its exceptions", () => {
    const { sealing } = readConfig({
      ENVELOPE_POLICY: "sealed-required, auth.v1.AuthService/GetMe=plain-allowed",
    }).config;
    expect(sealing.rule).toBe("sealed-required");
    expect([...sealing.exceptions]).toStrictEqual([["auth.v1.AuthService/GetMe", "plain-allowed"]]);
  });

  test("is in .env.example to the last variable, with a comment each", () => {
    const read = new Set<string>();
    readConfig(new Proxy<Env>({}, { get: (_env, name) => void read.add(String(name)) }));
    const shown = [...EXAMPLE.matchAll(/^#?([A-Z][A-Z0-9_]+)=/gm)].map((match) => match[1]);
    expect([...shown].sort()).toStrictEqual([...read].sort());
    for (const block of EXAMPLE.trim().split(/\n\n+/)) expect(block).toMatch(/^# .+/);
  });

  test("of .env.example is the default", () => {
    const env = Object.fromEntries(
      [...EXAMPLE.matchAll(/^([A-Z][A-Z0-9_]+)=(.*)$/gm)].map(([, name, value]) => [name, value]),
    );
    expect(readConfig(env).config).toStrictEqual(readConfig({}).config);
  });
});
