import { setMaxListeners } from "node:events";
import type { AddressInfo } from "node:net";
import { systemClock } from "./clock.ts";
import type { Config, Secrets } from "./config.ts";
import { createAccessTokens } from "./crypto/access-tokens.ts";
import { auditHashes } from "./crypto/audit-chain.ts";
import { createCommonPasswords } from "./crypto/common-passwords.ts";
import { createDataCipher } from "./crypto/data-cipher.ts";
import { grantsSeal } from "./crypto/grants-seal.ts";
import { createIdentifierHashes } from "./crypto/hash-identifier.ts";
import { createHashPool, type HashPool } from "./crypto/hash-pool.ts";
import type { KeyStore } from "./crypto/key-store.ts";
import { mfaSecrets } from "./crypto/mfa-secrets.ts";
import { createPasswordHasher } from "./crypto/passwords.ts";
import { ids, randomKey } from "./crypto/random.ts";
import { recoveryKeys } from "./crypto/recovery-keys.ts";
import { refreshTokens } from "./crypto/refresh-tokens.ts";
import { serviceSecrets } from "./crypto/service-secrets.ts";
import { createTotp } from "./crypto/totp.ts";
import { building, type Disposal } from "./disposal.ts";
import { listenOnePort, type OnePortOptions } from "./http/one-port.ts";
import { auditSealing } from "./jobs/audit-sealing.ts";
import { cleanUpJob } from "./jobs/clean-up.ts";
import { keyRotationJob } from "./jobs/key-rotation.ts";
import { schedule } from "./jobs/schedule.ts";
import { openServerKeys } from "./open-keys.ts";
import { openKms } from "./open-kms.ts";
import { withPatience } from "./patience.ts";
import { createAccounts } from "./postgres/accounts.ts";
import { createAdministration } from "./postgres/administration.ts";
import { createAuditKeys } from "./postgres/audit-keys.ts";
import { createAuditSeals } from "./postgres/audit-seals.ts";
import { createAuditTrail } from "./postgres/audit-trail.ts";
import { cleanUp } from "./postgres/clean-up.ts";
import { createGrantsSource } from "./postgres/grants.ts";
import { createIntegrityRecord } from "./postgres/integrity.ts";
import { createLogins } from "./postgres/logins.ts";
import { createMfaFactors } from "./postgres/mfa-factors.ts";
import { createMfaLogins } from "./postgres/mfa-logins.ts";
import { createPrivateStore } from "./postgres/private-data.ts";
import { createProtectedStore } from "./postgres/protected-data.ts";
import { createRefreshTokenStore } from "./postgres/refresh-tokens.ts";
import { createServerKeys } from "./postgres/server-keys.ts";
import { createServiceAccounts } from "./postgres/service-accounts.ts";
import { createSessions } from "./postgres/sessions.ts";
import { createUnlocks } from "./postgres/unlocks.ts";
import { createVaults } from "./postgres/vaults.ts";
import { readTls } from "./read-tls.ts";
import { createRequestListener } from "./request-listener.ts";
import { createReadiness } from "./rpc/readiness.ts";
import { openAuditKey } from "./service/audit-key.ts";
import { createGrants } from "./service/grants.ts";
import type { IdentifierHashes } from "./service/identifier-ports.ts";
import { createMfaDecoy } from "./service/mfa-decoy.ts";
import type { Clock, Deps, Kms } from "./service/ports.ts";
import { createRateLimits } from "./service/rate-limits.ts";
import { rememberAccounts } from "./service/remembered-accounts.ts";
import { openServerKey } from "./service/server-keys.ts";
import { naming } from "./start-error.ts";
import { openStores, type Stores } from "./stores.ts";
import { createLog, type Log } from "./telemetry/log.ts";
import { createMetrics, listenMetrics, type Metrics } from "./telemetry/metrics.ts";

/** A running server. Disposing it drains the connections and closes everything it opened. */
export type App = AsyncDisposable & {
  url: string;
  port: number;
  metricsPort: number;
  embedded: string[];
  stores: Stores;
  keys: KeyStore;
  deps: Deps;
};

/** What tests put in the place of the outside world. */
export type Overrides = {
  clock?: Clock;
  log?: Log;
  redisKeyPrefix?: string;
  onePortLimits?: OnePortOptions["limits"];
};

/** How long requests in flight may take after the server was told to stop. */
const DRAIN_MS = 10_000;

/** Opens the stores and keys, builds the services on them, and listens. Nothing stays open when a part fails. */
export function buildApp(config: Config, secrets: Secrets, overrides: Overrides = {}): Promise<App> {
  return building(async (disposal) => {
    const clock = overrides.clock ?? systemClock;
    const log = overrides.log ?? createLog(config.logLevel);
    const metrics = createMetrics();
    const keys = await openServerKeys(config, { clock, log });
    disposal.defer(() => keys[Symbol.dispose]());
    const kms = await openKms({ config, secrets, clock, log });
    disposal.defer(() => kms[Symbol.dispose]());
    const redisKeyPrefix = overrides.redisKeyPrefix ?? "sello:";
    const stores = await openStores({ config, secrets, clock, log, redisKeyPrefix });
    disposal.defer(() => stores[Symbol.asyncDispose]());

    const identifiers = createIdentifierHashes(await openIdentifierKey(kms, stores));
    const deps = buildDeps({ config, secrets, clock, stores, keys, kms, identifiers, metrics, disposal });
    const server = await listen({ config, log, metrics, stores, keys, deps, overrides, disposal });
    const sealing = buildSealing({ stores, kms, log, metrics });
    const jobs = schedule(
      [
        sealing.job,
        cleanUpJob(() => cleanUp(stores.database, clock.now()), log),
        keyRotationJob(() => keys.rotateWhenDue(config.keyRotationDays), log),
      ],
      log,
    );
    disposal.defer(() => jobs[Symbol.asyncDispose]());
    return {
      ...server,
      embedded: stores.embedded,
      stores,
      keys,
      deps,
      [Symbol.asyncDispose]: () => disposal[Symbol.asyncDispose](),
    };
  });
}

type Context = {
  config: Config;
  log: Log;
  metrics: Metrics;
  stores: Stores;
  keys: KeyStore;
  deps: Deps;
  overrides: Overrides;
  disposal: Disposal;
};

function buildDeps(
  context: Pick<Context, "config" | "stores" | "keys" | "metrics" | "disposal"> & {
    secrets: Secrets;
    clock: Clock;
    kms: Kms;
    identifiers: IdentifierHashes;
  },
): Deps {
  const { config, secrets, clock, stores, keys, kms, identifiers, metrics, disposal } = context;
  const { memoryKib, passes, concurrency, queue } = config.argon2;
  const pool = createHashPool({ threads: concurrency, maxQueue: queue });
  disposal.defer(() => pool[Symbol.asyncDispose]());
  watchPool(metrics, pool);
  const { database } = stores;
  const logins = createLogins(database, { lockout: config.lockout, identifiers });
  const totp = createTotp({ window: config.totpWindow });
  return {
    accounts: createAccounts(database),
    logins,
    mfaLogins: createMfaLogins(database, { lockout: config.lockout, identifiers }, logins.takeBack),
    mfaFactors: createMfaFactors(database, identifiers),
    mfaSecrets,
    mfaDecoy: createMfaDecoy({ kms, totp }),
    totp,
    sessions: { ...createSessions(database, identifiers), ...createRefreshTokenStore(database) },
    hasher: createPasswordHasher(pool, { memoryKib, passes, pepper: secrets.passwordPepper }),
    passwordPolicy: { minLength: config.passwordMinLength, isCommon: createCommonPasswords().has },
    accessTokens: createAccessTokens({
      keys: keys.ring,
      clock,
      settings: {
        issuer: config.issuer,
        audience: config.audience,
        ttlS: config.accessTtlS,
        nested: config.nestedTokens,
      },
    }),
    refreshTokens,
    limits: createRateLimits({
      counter: stores.rateCounter,
      sizes: config.rateLimits,
      hashKey: identifiers.rateLimit,
    }),
    kms,
    userData: {
      protected: createProtectedStore(database),
      private: createPrivateStore(database),
      recordIntegrityFailure: createIntegrityRecord(database),
    },
    vaults: createVaults(database),
    dataCipher: createDataCipher(),
    recoveryKeys,
    auditTrail: createAuditTrail(database),
    administration: createAdministration(database),
    grants: createGrants({ source: createGrantsSource(database), shared: stores.grants, seal: grantsSeal }),
    unlocks: createUnlocks(database),
    serviceAccounts: rememberAccounts(createServiceAccounts(database)),
    serviceSecrets,
    randomKey,
    clock,
    ids,
    settings: config,
  };
}

/** A replica without the key of the others would count elsewhere than they do: it does not start. */
function openIdentifierKey(kms: Kms, { database }: Stores): Promise<Buffer> {
  const deps = { kms, serverKeys: createServerKeys(database), randomKey };
  return withPatience(() => openServerKey(deps, "identifiers")).catch(naming("KMS_PROVIDER, DATABASE_URL"));
}

function buildSealing({ stores, kms, log, metrics }: Pick<Context, "stores" | "log" | "metrics"> & { kms: Kms }) {
  const auditKeys = createAuditKeys(stores.database);
  let key: Buffer | undefined;
  const sealing = auditSealing(
    {
      seals: createAuditSeals(stores.database),
      hashes: auditHashes,
      async key() {
        key ??= await openAuditKey({ kms, auditKeys, randomKey });
        return key;
      },
    },
    log,
  );
  const { stats } = sealing;
  metrics.watch(
    "audit_oldest_unsealed_seconds",
    "Age of the oldest event without a seal.",
    () => stats().oldestUnsealedS,
  );
  metrics.watch("audit_seals_failed", "Runs of the sealing that failed, since the start.", () => stats().failures);
  return sealing;
}

function watchPool(metrics: Metrics, pool: HashPool): void {
  metrics.watch("password_hashes_running", "Password hashes being computed.", () => pool.stats().running);
  metrics.watch("password_hashes_queued", "Password hashes that wait for a thread.", () => pool.stats().queued);
}

async function listen(context: Context): Promise<Pick<App, "url" | "port" | "metricsPort">> {
  const { config, log, metrics, stores, overrides, disposal } = context;
  const stopping = new AbortController();
  // Every call in flight listens to it.
  setMaxListeners(0, stopping.signal);
  const readiness = createReadiness({ look: () => stores.isReady(), stopping: stopping.signal });
  const listener = await createRequestListener({ ...context, readiness, stopping: stopping.signal });

  const metricsServer = await listenMetrics(metrics, { host: config.host, port: config.metricsPort }).catch(
    naming("HOST, METRICS_PORT"),
  );
  disposal.defer(() => new Promise((resolve) => metricsServer.close(resolve)));
  const onePort = await listenOnePort({
    host: config.host,
    port: config.port,
    listener,
    onError: (error, where, requestId) =>
      log.error("an unexpected failure", { detail: where, error, ...(requestId && { request_id: requestId }) }),
    ...(config.tls && { tls: await readTls(config.tls, config.tlsClientCertificates) }),
    ...(overrides.onePortLimits && { limits: overrides.onePortLimits }),
  }).catch(naming("HOST, PORT"));
  disposal.defer(async () => {
    stopping.abort();
    await onePort.drain(DRAIN_MS);
  });
  return { url: onePort.url, port: onePort.port, metricsPort: (metricsServer.address() as AddressInfo).port };
}
