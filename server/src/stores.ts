import { join, resolve } from "node:path";
import type { Config, Secrets } from "./config.ts";
import { randomSecret } from "./crypto/random.ts";
import { building, type Disposal } from "./disposal.ts";
import { createMemoryChannels } from "./memory/channels.ts";
import { createMemoryNonces } from "./memory/nonces.ts";
import { createMemoryRateCounter } from "./memory/rate-counter.ts";
import { type Database, openDatabase, pingDatabase } from "./postgres/database.ts";
import { startEmbeddedPostgres } from "./postgres/embedded.ts";
import { migrate } from "./postgres/migrate.ts";
import type { ChannelStore } from "./service/channel-ports.ts";
import type { SharedGrants } from "./service/grants.ts";
import type { Clock, Nonces } from "./service/ports.ts";
import type { RateCounter } from "./service/rate-limits.ts";
import { naming } from "./start-error.ts";
import type { Log } from "./telemetry/log.ts";

/** The stores of a running server, and which of them it brought itself. */
export type Stores = AsyncDisposable & {
  database: Database;
  channels: ChannelStore;
  nonces: Nonces;
  rateCounter: RateCounter;
  /** Undefined where there is no Redis. */
  grants: SharedGrants | undefined;
  embedded: string[];
  isReady(): Promise<boolean>;
};

export type StoresOptions = { config: Config; secrets: Secrets; clock: Clock; log: Log; redisKeyPrefix: string };

/** Opens PostgreSQL and Redis, or what is embedded where no URL is given, and migrates. All of it or nothing. */
export function openStores(options: StoresOptions): Promise<Stores> {
  return building(async (disposal) => {
    const ephemeral = await openEphemeral(options, disposal);
    const durable = await openDurable(options, disposal);
    return {
      ...durable,
      ...ephemeral,
      embedded: [...durable.embedded, ...ephemeral.embedded],
      async isReady() {
        const answers = await Promise.all([pingDatabase(durable.database), ephemeral.isReady()]);
        return answers.every((answer) => answer);
      },
      [Symbol.asyncDispose]: () => disposal[Symbol.asyncDispose](),
    };
  });
}

/** Where the rows of the embedded PostgreSQL live. */
export function embeddedDataDir(dataDir: string): string {
  return join(resolve(dataDir), "postgres");
}

type Durable = Pick<Stores, "database" | "embedded">;

async function openDurable({ config, secrets, log }: StoresOptions, disposal: Disposal): Promise<Durable> {
  const embedded: string[] = [];
  let url = secrets.databaseUrl;
  if (url === undefined) {
    const dataDir = embeddedDataDir(config.dataDir);
    const postgres = await startEmbeddedPostgres({
      dataDir,
      randomPassword: randomSecret,
      log: (line) => log.debug("embedded PostgreSQL", { detail: line }),
      warn: (line) => log.warn("embedded PostgreSQL", { detail: line }),
    }).catch(naming("DATA_DIR"));
    disposal.defer(() => postgres.stop());
    embedded.push(`PostgreSQL 18 in ${dataDir}`);
    url = postgres.url;
  }
  const migrated = await migrate(url, (line) => log.debug("migration", { detail: line })).catch(
    naming(secrets.databaseUrl === undefined ? "DATA_DIR" : "DATABASE_URL"),
  );
  if (migrated > 0) log.info("the schema was migrated", { count: migrated });
  const database = openDatabase({
    url,
    poolSize: config.databasePool,
    onError: (error) => log.warn("a database connection was lost", { error }),
  });
  disposal.defer(() => database.end());
  return { database, embedded };
}

type Ephemeral = Pick<Stores, "channels" | "nonces" | "rateCounter" | "grants" | "embedded" | "isReady">;

async function openEphemeral(options: StoresOptions, disposal: Disposal): Promise<Ephemeral> {
  const { config, secrets, clock, log, redisKeyPrefix } = options;
  if (secrets.redisUrl === undefined) {
    return {
      channels: createMemoryChannels(clock),
      nonces: createMemoryNonces(clock),
      rateCounter: createMemoryRateCounter(config.rateLimits),
      grants: undefined,
      embedded: ["channels, nonces and rate limits in this process"],
      isReady: async () => true,
    };
  }
  // Imported where it is used: a server without Redis does without its client, and the memory that it takes.
  const { openRedisStores } = await import("./redis/stores.ts");
  const { close, evictionPolicies, ...stores } = await openRedisStores({
    url: secrets.redisUrl,
    cluster: config.redisCluster,
    keyPrefix: redisKeyPrefix,
    onError: (error) => log.warn("Redis", { error }),
    rateLimits: config.rateLimits,
  }).catch(naming("REDIS_URL"));
  disposal.defer(close);
  const evicting = await evictionPolicies();
  if (evicting.length > 0) {
    const policies = evicting.join(", ");
    log.warn(`Redis' maxmemory-policy is ${policies}: a nonce it forgets lets a request pass twice; set noeviction`);
  }
  return { ...stores, embedded: [] };
}
