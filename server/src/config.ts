import { availableParallelism } from "node:os";
import type { SealingRule, SealingRules } from "./domain/sealing.ts";
import type { RateLimitSize, RateLimitSizes } from "./service/rate-limits.ts";

export type Environment = "development" | "production";

export type Config = {
  environment: Environment;
  host: string;
  port: number;
  metricsPort: number;
  workers: number;
  basePath: string;
  tls: { certFile: string; keyFile: string } | undefined;
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

export type Env = Record<string, string | undefined>;

/** Seconds an envelope or a cached key set may be older than a rotation. */
const ENVELOPE_SLACK_S = 60 + 300;

/** @throws ConfigError naming every variable that cannot be parsed, is missing in production, or contradicts another. */
export function readConfig(env: Env): { config: Config; secrets: Secrets } {
  const problems: string[] = [];
  const read = reader(env, problems);
  const environment = read.oneOf("APP_ENV", ["development", "production"], "development");
  const production = environment === "production";
  const port = read.integer("PORT", 8080, 0, 65_535);
  const accessTtlS = read.integer("ACCESS_TTL_S", 900, 10, 86_400);
  const refreshTtlS = read.integer("REFRESH_TTL_S", 604_800, 60, 31_536_000);
  const shortestGraceS = accessTtlS + ENVELOPE_SLACK_S;

  const config: Config = {
    environment,
    host: read.text("HOST", "127.0.0.1"),
    port,
    metricsPort: read.integer("METRICS_PORT", 9464, 0, 65_535),
    workers: read.workers("WORKERS"),
    basePath: read.path("HTTP_BASE_PATH"),
    tls: read.pair("TLS_CERT_FILE", "TLS_KEY_FILE"),
    trustedProxies: read.list("TRUSTED_PROXIES"),
    corsOrigins: read.origins("CORS_ORIGINS"),
    bodyLimitBytes: read.integer("BODY_LIMIT_BYTES", 1_048_576, 1_024, 67_108_864),
    dataDir: read.text("DATA_DIR", ".data"),
    databasePool: read.integer("DATABASE_POOL", 10, 1, 200),
    redisCluster: read.boolean("REDIS_CLUSTER", false),
    issuer: read.url("ISSUER", "http://localhost:8080"),
    audience: read.text("AUDIENCE", "sello"),
    accessTtlS,
    refreshTtlS,
    refreshRetryGraceS: read.integer("REFRESH_RETRY_GRACE_S", 10, 0, 300),
    sessionMaxAgeS: read.integer("SESSION_MAX_AGE_S", refreshTtlS, 60, 31_536_000),
    sessionIdleS: read.optionalInteger("SESSION_IDLE_S", 60, 31_536_000),
    nestedTokens: read.boolean("ACCESS_TOKEN_NESTED", true),
    signingAlg: read.oneOf("SIGNING_ALG", ["ES256", "RS256", "PS256", "EdDSA"], "ES256"),
    encryptionAlg: read.oneOf("ENCRYPTION_ALG", ["ECDH-ES+A256KW", "RSA-OAEP-256"], "ECDH-ES+A256KW"),
    encryptionCrv: read.oneOf("ENCRYPTION_CRV", ["X25519", "P-256"], "X25519"),
    frontCrv: read.oneOf("FRONT_ENC_CRV", ["P-256", "X25519"], "P-256"),
    rsaBits: Number(read.oneOf("RSA_BITS", ["2048", "3072", "4096"], "3072")) as Config["rsaBits"],
    keysDir: read.text("KEYS_DIR", "keys"),
    keyRotationDays: read.integer("KEY_ROTATION_DAYS", 30, 1, 3650),
    keyGraceS: read.integer("KEY_GRACE_S", shortestGraceS, shortestGraceS, 31_536_000),
    sealing: read.sealing("ENVELOPE_POLICY"),
    frontEncAad: read.oneOf("FRONT_ENC_AAD", ["required", "optional"], production ? "required" : "optional"),
    rateLimits: {
      login_ip: read.rate("RATE_LIMIT_LOGIN_IP", "60/60"),
      login_account: read.rate("RATE_LIMIT_LOGIN_ACCOUNT", "10/60"),
      register_ip: read.rate("RATE_LIMIT_REGISTER_IP", "20/60"),
      refresh_ip: read.rate("RATE_LIMIT_REFRESH_IP", "300/60"),
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
  };
  if (!production && config.corsOrigins.length === 0) config.corsOrigins = ownOrigins(config);

  if (production) requireInProduction(env, problems);
  if (config.workers > 1 && secrets.redisUrl === undefined) {
    problems.push("WORKERS: more than one process needs REDIS_URL, which they share");
  }
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

/** In development a page served by this server is a page of ours. */
function ownOrigins(config: Config): string[] {
  const scheme = config.tls === undefined ? "http" : "https";
  return ["localhost", "127.0.0.1", "[::1]"].map((host) => `${scheme}://${host}:${config.port}`);
}

function isSet(value: string | undefined): value is string {
  return value !== undefined && value !== "";
}

function reader(env: Env, problems: string[]) {
  const value = (name: string) => (isSet(env[name]) ? env[name] : undefined);
  const fail = <T>(name: string, problem: string, fallback: T): T => {
    problems.push(`${name}: ${problem}`);
    return fallback;
  };

  const integer = (name: string, fallback: number, min: number, max: number): number => {
    const text = value(name);
    if (text === undefined) return fallback;
    const number = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    return number >= min && number <= max ? number : fail(name, `must be a whole number from ${min} to ${max}`, fallback);
  };

  const list = (name: string): string[] =>
    (value(name) ?? "")
      .split(",")
      .map((item) => item.trim())
      .filter((item) => item !== "");

  return {
    integer,
    list,
    text: (name: string, fallback: string): string => value(name) ?? fallback,
    optionalInteger: (name: string, min: number, max: number): number | undefined =>
      value(name) === undefined ? undefined : integer(name, min, min, max),

    boolean(name: string, fallback: boolean): boolean {
      const text = value(name);
      if (text === undefined) return fallback;
      return text === "true" || text === "false" ? text === "true" : fail(name, "must be true or false", fallback);
    },

    oneOf<const T extends string>(name: string, allowed: readonly T[], fallback: NoInfer<T>): T {
      const text = value(name);
      if (text === undefined) return fallback;
      return allowed.find((option) => option === text) ?? fail(name, `must be one of ${allowed.join(", ")}`, fallback);
    },

    workers(name: string): number {
      return value(name) === "auto" ? availableParallelism() : integer(name, 1, 1, 256);
    },

    path(name: string): string {
      const text = value(name) ?? "";
      const valid = text === "" || /^(\/[A-Za-z0-9._~-]+)+$/.test(text);
      return valid ? text : fail(name, "must be empty or a path such as /api, without a slash at its end", "");
    },

    pair(certName: string, keyName: string): Config["tls"] {
      const [certFile, keyFile] = [value(certName), value(keyName)];
      if (certFile !== undefined && keyFile !== undefined) return { certFile, keyFile };
      if (certFile !== undefined || keyFile !== undefined) fail(certName, `goes with ${keyName}: set both or neither`, 0);
      return undefined;
    },

    origins(name: string): string[] {
      return list(name).filter((origin) => {
        const valid = URL.canParse(origin) && new URL(origin).origin === origin;
        return valid || fail(name, `${origin} is not an origin such as https://app.example.com`, false);
      });
    },

    url(name: string, fallback: string): string {
      const text = value(name) ?? fallback;
      return URL.canParse(text) ? text : fail(name, "must be a URL", fallback);
    },

    storeUrl(name: string, protocol: RegExp): string | undefined {
      const text = value(name);
      if (text === undefined) return undefined;
      const valid = URL.canParse(text) && protocol.test(new URL(text).protocol);
      return valid ? text : fail(name, "is not the URL of such a store", undefined);
    },

    secret(name: string, minLength: number): string | undefined {
      const text = value(name);
      if (text === undefined || text.length >= minLength) return text;
      return fail(name, `must have at least ${minLength} characters`, undefined);
    },

    rate(name: string, fallback: string): RateLimitSize | undefined {
      const text = value(name) ?? fallback;
      if (text === "off") return undefined;
      const [, points, duration] = /^([1-9]\d{0,8})\/([1-9]\d{0,6})$/.exec(text) ?? [];
      if (points === undefined || duration === undefined) {
        return fail(name, "must be off, or so many calls in so many seconds, such as 60/60", undefined);
      }
      return { points: Number(points), duration: Number(duration) };
    },

    sealing(name: string): SealingRules {
      const [rule = "plain-allowed", ...exceptions] = list(name);
      const sealing: SealingRules = { rule: "plain-allowed", exceptions: new Map() };
      const isRule = (text: string | undefined): text is SealingRule =>
        text === "plain-allowed" || text === "sealed-required";
      if (isRule(rule)) sealing.rule = rule;
      else fail(name, "must begin with plain-allowed or sealed-required", 0);
      for (const exception of exceptions) {
        const [procedure = "", own] = exception.split("=");
        if (/^[a-z0-9.]+\.[A-Z]\w+\/[A-Z]\w+$/.test(procedure) && isRule(own)) sealing.exceptions.set(procedure, own);
        else fail(name, `${exception} is not an exception such as auth.v1.AuthService/GetMe=plain-allowed`, 0);
      }
      return sealing;
    },
  };
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
