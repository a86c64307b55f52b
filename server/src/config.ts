import { availableParallelism } from "node:os";
import type { SealingRules } from "./domain/sealing.ts";
import { type Env, isSet, readEnv } from "./env.ts";
import { type KmsConfig, readKms } from "./kms-config.ts";
import type { RateLimitSizes } from "./service/rate-limits.ts";

export type Environment = "development" | "production";

export type Config = {
  environment: Environment;
  host: string;
  port: number;
  metricsPort: number;
  workers: number;
  basePath: string;
  tls: { certFile: string; keyFile: string } | undefined;
  tlsClientCertificates: "none" | "request";
  trustedProxies: string[];
  corsOrigins: string[];
  bodyLimitBytes: number;
  dataDir: string;
  databasePool: number;
  redisCluster: boolean;
  issuer: string;
  audience: string;
  accessTtlS: number;
  refreshTtlS: number;
  refreshRetryGraceS: number;
  sessionMaxAgeS: number;
  sessionIdleS: number | undefined;
  reauthenticationMaxAgeS: number;
  totpWindow: number;
  mfaIssuer: string;
  nestedTokens: boolean;
  signingAlg: "ES256" | "RS256" | "PS256" | "EdDSA";
  encryptionAlg: "ECDH-ES+A256KW" | "RSA-OAEP-256";
  encryptionCrv: "X25519" | "P-256";
  frontCrv: "X25519" | "P-256";
  rsaBits: 2048 | 3072 | 4096;
  keysDir: string;
  keyRotationDays: number;
  keyGraceS: number;
  sealing: SealingRules;
  frontEncAad: "required" | "optional";
  channelTtlS: number;
  kms: KmsConfig;
  rateLimits: RateLimitSizes;
  lockout: { threshold: number; windowS: number; lockS: number };
  passwordMinLength: number;
  argon2: { memoryKib: number; passes: number; concurrency: number; queue: number };
  logLevel: "silent" | "fatal" | "error" | "warn" | "info" | "debug" | "trace";
};

/** What must never be printed. */
export type Secrets = {
  databaseUrl: string | undefined;
  redisUrl: string | undefined;
  passwordPepper: string | undefined;
  vaultToken: string | undefined;
};

/** Every problem of the environment at once. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: string[];

  constructor(problems: string[]) {
    super(`The configuration has ${problems.length === 1 ? "a problem" : "problems"}:\n  ${problems.join("\n  ")}`);
    this.problems = problems;
  }
}

/** Seconds an envelope or a cached key set may be older than a rotation. */
const ENVELOPE_SLACK_S = 60 + 300;

/** @throws ConfigError naming every variable that cannot be parsed, is missing in production, or contradicts another. */
export function readConfig(env: Env): { config: Config; secrets: Secrets } {
  const problems: string[] = [];
  const read = readEnv(env, problems);
  const environment = read.oneOf("APP_ENV", ["development", "production"], "development");
  const production = environment === "production";
  const port = read.integer("PORT", 8080, 0, 65_535);
  const accessTtlS = read.integer("ACCESS_TTL_S", 900, 10, 86_400);
  const refreshTtlS = read.integer("REFRESH_TTL_S", 604_800, 60, 31_536_000);
  const keysDir = read.text("KEYS_DIR", "keys");
  const kms = readKms({ read, problems, keysDir, production });
  const issuer = read.url("ISSUER", "http://localhost:8080");
  const shortestGraceS = accessTtlS + ENVELOPE_SLACK_S;

  const config: Config = {
    environment,
    host: read.text("HOST", "127.0.0.1"),
    port,
    metricsPort: read.integer("METRICS_PORT", 9464, 0, 65_535),
    workers: read.workers("WORKERS"),
    basePath: read.path("HTTP_BASE_PATH"),
    tls: read.pair("TLS_CERT_FILE", "TLS_KEY_FILE"),
    tlsClientCertificates: read.oneOf("TLS_CLIENT_CERTIFICATES", ["none", "request"], "none"),
    trustedProxies: read.networks("TRUSTED_PROXIES"),
    corsOrigins: read.origins("CORS_ORIGINS"),
    bodyLimitBytes: read.integer("BODY_LIMIT_BYTES", 1_048_576, 1_024, 67_108_864),
    dataDir: read.text("DATA_DIR", ".data"),
    databasePool: read.integer("DATABASE_POOL", 10, 1, 200),
    redisCluster: read.boolean("REDIS_CLUSTER", false),
    issuer,
    audience: read.text("AUDIENCE", "sello"),
    accessTtlS,
    refreshTtlS,
    refreshRetryGraceS: read.integer("REFRESH_RETRY_GRACE_S", 10, 0, 300),
    sessionMaxAgeS: read.integer("SESSION_MAX_AGE_S", refreshTtlS, 60, 31_536_000),
    sessionIdleS: read.optionalInteger("SESSION_IDLE_S", 60, 31_536_000),
    reauthenticationMaxAgeS: read.integer("REAUTHENTICATION_MAX_AGE_S", 600, 30, 86_400),
    totpWindow: read.integer("TOTP_WINDOW", 1, 0, 10),
    mfaIssuer: read.label("MFA_ISSUER", new URL(issuer).hostname),
    nestedTokens: read.boolean("ACCESS_TOKEN_NESTED", true),
    signingAlg: read.oneOf("SIGNING_ALG", ["ES256", "RS256", "PS256", "EdDSA"], "ES256"),
    encryptionAlg: read.oneOf("ENCRYPTION_ALG", ["ECDH-ES+A256KW", "RSA-OAEP-256"], "ECDH-ES+A256KW"),
    encryptionCrv: read.oneOf("ENCRYPTION_CRV", ["X25519", "P-256"], "X25519"),
    frontCrv: read.oneOf("FRONT_ENC_CRV", ["P-256", "X25519"], "P-256"),
    rsaBits: Number(read.oneOf("RSA_BITS", ["2048", "3072", "4096"], "3072")) as Config["rsaBits"],
    keysDir,
    keyRotationDays: read.integer("KEY_ROTATION_DAYS", 30, 1, 3650),
    keyGraceS: read.integer("KEY_GRACE_S", shortestGraceS, shortestGraceS, 31_536_000),
    sealing: read.sealing("ENVELOPE_POLICY"),
    frontEncAad: read.oneOf("FRONT_ENC_AAD", ["required", "optional"], production ? "required" : "optional"),
    channelTtlS: read.integer("CHANNEL_TTL_S", 900, 10, 86_400),
    kms: kms.config,
    rateLimits: {
      login_ip: read.rate("RATE_LIMIT_LOGIN_IP", "60/60"),
      login_account: read.rate("RATE_LIMIT_LOGIN_ACCOUNT", "10/60"),
      register_ip: read.rate("RATE_LIMIT_REGISTER_IP", "20/60"),
      refresh_ip: read.rate("RATE_LIMIT_REFRESH_IP", "300/60"),
      handshake_ip: read.rate("RATE_LIMIT_HANDSHAKE_IP", "60/60"),
    },
    lockout: {
      threshold: read.integer("LOCKOUT_THRESHOLD", 5, 1, 1_000_000),
      windowS: read.integer("LOCKOUT_WINDOW_S", 900, 1, 86_400),
      lockS: read.integer("LOCKOUT_S", 900, 1, 86_400),
    },
    passwordMinLength: read.integer("PASSWORD_MIN_LENGTH", 12, 8, 128),
    argon2: {
      memoryKib: read.integer("ARGON2_MEMORY_KIB", 19_456, 8, 4_194_304),
      passes: read.integer("ARGON2_PASSES", 2, 1, 100),
      concurrency: read.integer("ARGON2_CONCURRENCY", availableParallelism(), 1, 256),
      queue: read.integer("ARGON2_QUEUE", 64, 0, 100_000),
    },
    logLevel: read.oneOf("LOG_LEVEL", ["silent", "fatal", "error", "warn", "info", "debug", "trace"], "info"),
  };
  read.oneOf("KEY_PROVIDER", ["file"], "file");
  const secrets: Secrets = {
    databaseUrl: read.storeUrl("DATABASE_URL", /^postgres(ql)?:$/),
    redisUrl: read.storeUrl("REDIS_URL", /^rediss?:$/),
    passwordPepper: read.secret("PASSWORD_PEPPER", 32),
    vaultToken: kms.vaultToken,
  };
  if (!production) config.corsOrigins = [...new Set([...config.corsOrigins, ...ownOrigins(config)])];

  if (production) requireInProduction(env, problems);
  if (config.workers > 1 && secrets.redisUrl === undefined) {
    problems.push("WORKERS: more than one process needs REDIS_URL, which they share");
  }
  if (config.tlsClientCertificates === "request" && config.tls === undefined) {
    problems.push("TLS_CLIENT_CERTIFICATES: request needs TLS_CERT_FILE and TLS_KEY_FILE");
  }
  checkMetricsPorts(config, problems);
  if (config.redisCluster && secrets.redisUrl === undefined) problems.push("REDIS_CLUSTER: true needs REDIS_URL");
  if (production && config.argon2.memoryKib < 19_456) {
    problems.push("ARGON2_MEMORY_KIB: must be at least 19456 in production");
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return { config, secrets };
}

/** In production nothing that protects is generated or defaulted. */
function requireInProduction(env: Env, problems: string[]): void {
  for (const name of ["DATABASE_URL", "REDIS_URL", "ISSUER"]) {
    if (!isSet(env[name])) problems.push(`${name}: must be set when APP_ENV is production`);
  }
}

/** Each worker has its own port for metrics, from METRICS_PORT on; none of them may be the public one. */
function checkMetricsPorts({ port, metricsPort, workers }: Config, problems: string[]): void {
  if (metricsPort === 0) return;
  const last = metricsPort + workers - 1;
  const ports = workers === 1 ? `${metricsPort}` : `${metricsPort} to ${last}, one for each of ${workers} workers,`;
  if (last > 65_535) problems.push(`METRICS_PORT: ${ports} is more ports than there are`);
  if (port >= metricsPort && port <= last) problems.push(`METRICS_PORT: ${ports} is where PORT is`);
}

/** In development a page served by this server is a page of ours. */
function ownOrigins(config: Config): string[] {
  const scheme = config.tls === undefined ? "http" : "https";
  return ["localhost", "127.0.0.1", "[::1]"].map((host) => `${scheme}://${host}:${config.port}`);
}

/** The environment of this process, with `.env` of the working directory under it. @throws ConfigError. */
export function readEnvironment(): { config: Config; secrets: Secrets } {
  try {
    process.loadEnvFile(".env");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  return readConfig(process.env);
}
