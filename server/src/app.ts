import { setMaxListeners } from "node:events";
import { readFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { AuthService } from "@sello/gen/auth/v1/auth_service_pb";
import { KeyService } from "@sello/gen/auth/v1/key_service_pb";
import { systemClock } from "./clock.ts";
import type { Config, Secrets } from "./config.ts";
import { createAccessTokens } from "./crypto/access-tokens.ts";
import { createCommonPasswords } from "./crypto/common-passwords.ts";
import { hashIdentifier } from "./crypto/hash-identifier.ts";
import { createHashPool, type HashPool } from "./crypto/hash-pool.ts";
import { type KeyStore, openKeys } from "./crypto/key-store.ts";
import { createPasswordHasher } from "./crypto/passwords.ts";
import { ids } from "./crypto/random.ts";
import { refreshTokens } from "./crypto/refresh-tokens.ts";
import { building, type Disposal } from "./disposal.ts";
import { createClientAddress } from "./http/client-address.ts";
import { createCors } from "./http/cors.ts";
import { readHttpRoutes, servedPath, servedRoutes } from "./http/http-rules.ts";
import { createListener } from "./http/listener.ts";
import { listenOnePort, type OnePortOptions } from "./http/one-port.ts";
import { readOpenApi } from "./http/openapi.ts";
import { createOperations } from "./http/operations.ts";
import { createRestHandler } from "./http/rest.ts";
import { createSecurityHeaders } from "./http/security-headers.ts";
import { cleanUpJob } from "./jobs/clean-up.ts";
import { keyRotationJob } from "./jobs/key-rotation.ts";
import { schedule } from "./jobs/schedule.ts";
import { createAccounts } from "./postgres/accounts.ts";
import { cleanUp } from "./postgres/clean-up.ts";
import { createLogins } from "./postgres/logins.ts";
import { createRefreshTokenStore } from "./postgres/refresh-tokens.ts";
import { createSessions } from "./postgres/sessions.ts";
import { accessInterceptor } from "./rpc/access-interceptor.ts";
import { createAuthService } from "./rpc/auth-service.ts";
import { envelopeInterceptor } from "./rpc/envelope-interceptor.ts";
import { errorInterceptor } from "./rpc/error-interceptor.ts";
import { frontEnvelope } from "./rpc/front-envelope.ts";
import { createInfrastructure } from "./rpc/infrastructure.ts";
import { createKeyService } from "./rpc/key-service.ts";
import { readPolicies } from "./rpc/policies.ts";
import { createProcedures, implement } from "./rpc/procedures.ts";
import { rateLimitInterceptor } from "./rpc/rate-limit-interceptor.ts";
import { createRefreshCookie } from "./rpc/refresh-cookie.ts";
import { createEnvelopePolicy } from "./rpc/sealing.ts";
import { telemetryInterceptor } from "./rpc/telemetry-interceptor.ts";
import type { Clock, Deps } from "./service/ports.ts";
import { createRateLimits } from "./service/rate-limits.ts";
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
const OPEN_API_FILE = fileURLToPath(new URL("../../gen/openapi.json", import.meta.url));

/** Opens the stores and keys, builds the services on them, and listens. Nothing stays open when a part fails. */
export function buildApp(config: Config, secrets: Secrets, overrides: Overrides = {}): Promise<App> {
  return building(async (disposal) => {
    const clock = overrides.clock ?? systemClock;
    const log = overrides.log ?? createLog(config.logLevel);
    const metrics = createMetrics();
    const keys = await openServerKeys(config, { clock, log });
    disposal.defer(() => keys[Symbol.dispose]());
    const redisKeyPrefix = overrides.redisKeyPrefix ?? "sello:";
    const stores = await openStores({ config, secrets, clock, log, redisKeyPrefix });
    disposal.defer(() => stores[Symbol.asyncDispose]());

    const deps = buildDeps({ config, secrets, clock, stores, keys, metrics, disposal });
    const server = await listen({ config, log, metrics, stores, keys, deps, overrides, disposal });
    const jobs = schedule(
      [
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

function openServerKeys(config: Config, { clock, log }: { clock: Clock; log: Log }): Promise<KeyStore> {
  return openKeys({
    settings: keySettings(config),
    clock,
    generate: config.environment === "development",
    onError: (error) => log.error("the key folder could not be read; the keys stay as they were", { error }),
  });
}

/** The part of the configuration that is about keys. */
export function keySettings(config: Config) {
  const { keysDir: dir, signingAlg, encryptionAlg, encryptionCrv, frontCrv, rsaBits, keyGraceS: graceS } = config;
  return { dir, signingAlg, encryptionAlg, encryptionCrv, frontCrv, rsaBits, graceS };
}

function buildDeps(
  context: Pick<Context, "config" | "stores" | "keys" | "metrics" | "disposal"> & { secrets: Secrets; clock: Clock },
): Deps {
  const { config, secrets, clock, stores, keys, metrics, disposal } = context;
  const { memoryKib, passes, concurrency, queue } = config.argon2;
  const pool = createHashPool({ threads: concurrency, maxQueue: queue });
  disposal.defer(() => pool[Symbol.asyncDispose]());
  watchPool(metrics, pool);
  const { database } = stores;
  return {
    accounts: createAccounts(database),
    logins: createLogins(database, config.lockout),
    sessions: { ...createSessions(database), ...createRefreshTokenStore(database) },
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
    limits: createRateLimits({ counter: stores.rateCounter, sizes: config.rateLimits, hashKey: hashIdentifier }),
    clock,
    ids,
    settings: config,
  };
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
  const isReady = async () => !stopping.signal.aborted && (await stores.isReady());
  const listener = await createRequestListener(context, { isReady, stopping: stopping.signal });

  const metricsServer = await listenMetrics(metrics, { host: config.host, port: config.metricsPort });
  disposal.defer(() => new Promise((resolve) => metricsServer.close(resolve)));
  const onePort = await listenOnePort({
    host: config.host,
    port: config.port,
    listener,
    onError: (error, where, requestId) =>
      log.error("an unexpected failure", { detail: where, error, ...(requestId && { request_id: requestId }) }),
    ...(config.tls && { tls: { cert: await readFile(config.tls.certFile), key: await readFile(config.tls.keyFile) } }),
    ...(overrides.onePortLimits && { limits: overrides.onePortLimits }),
  });
  disposal.defer(async () => {
    stopping.abort();
    await onePort.drain(DRAIN_MS);
  });
  return { url: onePort.url, port: onePort.port, metricsPort: (metricsServer.address() as AddressInfo).port };
}

async function createRequestListener(
  { config, log, metrics, stores, keys, deps }: Context,
  server: { isReady(): Promise<boolean>; stopping: AbortSignal },
) {
  const services = [AuthService, KeyService];
  const policies = readPolicies(services);
  const production = config.environment === "production";
  const sealing = createEnvelopePolicy(
    config.sealing,
    services.flatMap((service) => service.methods),
  );
  const front = frontEnvelope({
    findOpener: (kid) => keys.ring.findOpener(kid),
    nonces: stores.nonces,
    clock: deps.clock,
    aadRequired: config.frontEncAad === "required",
  });
  const cookie = createRefreshCookie({ secure: production || config.tls !== undefined });
  const limits = { readMaxBytes: config.bodyLimitBytes, shutdownSignal: server.stopping };
  const procedures = createProcedures(
    [implement(AuthService, createAuthService(deps, cookie)), implement(KeyService, createKeyService(keys.ring))],
    {
      ...limits,
      interceptors: [
        errorInterceptor(log),
        telemetryInterceptor(log, metrics),
        rateLimitInterceptor(policies, deps.limits),
        envelopeInterceptor([front], sealing),
        accessInterceptor(policies, deps),
      ],
    },
  );
  const infrastructure = createInfrastructure({
    ...limits,
    services,
    isReady: server.isReady,
    reflection: !production,
  });
  return createListener({
    rpcs: new Map([...procedures.rpcs, ...infrastructure.rpcs]),
    routes: servedRoutes(readHttpRoutes(services), config.basePath),
    operations: createOperations({
      isReady: server.isReady,
      openApi: await readOpenApi(OPEN_API_FILE, (path) => servedPath(path, config.basePath)),
    }),
    rest: createRestHandler({ procedures, policies, bodyLimitBytes: config.bodyLimitBytes }),
    cors: createCors(config.corsOrigins),
    clientAddress: createClientAddress(config.trustedProxies),
    setSecurityHeaders: createSecurityHeaders({ strictTransport: production || config.tls !== undefined }),
    bodyLimitBytes: config.bodyLimitBytes,
    ids: deps.ids,
  });
}
