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

const VAULT: Env = {
  KMS_PROVIDER: "vault",
  VAULT_ADDR: "https://vault.example.com:8200",
  VAULT_TOKEN: "hvs.token",
  VAULT_TRANSIT_KEY: "sello",
};

describe("the configuration", () => {
  test("has a default for everything in development", () => {
    const { config, secrets } = readConfig({});
    expect(config).toMatchObject({ environment: "development", port: 8080, accessTtlS: 900, refreshTtlS: 604_800 });
    expect(secrets).toStrictEqual({
      databaseUrl: undefined,
      redisUrl: undefined,
      passwordPepper: undefined,
      vaultToken: undefined,
    });
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
    [{ KMS_PROVIDER: "pkcs11" }, "KMS_PROVIDER"],
    [{ KMS_MIGRATE_FROM: "local" }, "KMS_MIGRATE_FROM"],
    [{ DATA_KEY_CACHE_S: "86400" }, "DATA_KEY_CACHE_S"],
    [{ VAULT_ADDR: "https://vault:8200" }, "VAULT_ADDR"],
    [{ VAULT_TOKEN: "hvs.token" }, "VAULT_TOKEN"],
    [{ ...VAULT, KMS_LOCAL_KEY_FILE: "kms.key" }, "KMS_LOCAL_KEY_FILE"],
    [{ ...VAULT, VAULT_ADDR: "" }, "VAULT_ADDR"],
    [{ ...VAULT, VAULT_ADDR: "vault:8200" }, "VAULT_ADDR"],
    [{ ...VAULT, VAULT_ADDR: "https://vault:8200/v1" }, "VAULT_ADDR"],
    [{ ...VAULT, VAULT_ADDR: "https://me:secret@vault:8200" }, "VAULT_ADDR"],
    [{ ...PRODUCTION, ...VAULT, VAULT_ADDR: "http://vault:8200" }, "VAULT_ADDR"],
    [{ ...VAULT, VAULT_ADDR: "http://vault:8200", VAULT_CACERT: "ca.pem" }, "VAULT_CACERT"],
    [{ ...VAULT, VAULT_TRANSIT_KEY: "" }, "VAULT_TRANSIT_KEY"],
    [{ ...VAULT, VAULT_TRANSIT_KEY: "../sys" }, "VAULT_TRANSIT_KEY"],
    [{ ...VAULT, VAULT_TRANSIT_MOUNT: "/transit" }, "VAULT_TRANSIT_MOUNT"],
    [{ ...VAULT, VAULT_NAMESPACE: "a b" }, "VAULT_NAMESPACE"],
    [{ ...VAULT, VAULT_TOKEN: "" }, "VAULT_TOKEN"],
    [{ ...VAULT, VAULT_TOKEN: "two words" }, "VAULT_TOKEN"],
    [{ ...VAULT, VAULT_TOKEN_FILE: "token" }, "VAULT_TOKEN"],
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
    { ...PRODUCTION, ...VAULT },
    { ...PRODUCTION, ...VAULT, VAULT_ADDR: "http://127.0.0.1:8100" },
    { ...VAULT, KMS_MIGRATE_FROM: "local", KMS_LOCAL_KEY_FILE: "kms.key" },
    { ...VAULT, VAULT_TOKEN: "", VAULT_TOKEN_FILE: "/run/vault/token", VAULT_NAMESPACE: "team/sello" },
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

  test("keeps the token of Vault among the secrets, and repeats it in no problem", () => {
    const { config, secrets } = readConfig(VAULT);
    expect(secrets.vaultToken).toBe("hvs.token");
    expect(JSON.stringify(config)).not.toContain("hvs.token");
    expect(() => readConfig({ ...VAULT, VAULT_TOKEN: "a secret of words", PORT: "x" })).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining("a secret of words") }),
    );
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
