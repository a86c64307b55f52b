import { setMaxListeners } from "node:events";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { AuthService } from "@sello/gen/auth/v1/auth_service_pb";
import { ChannelService } from "@sello/gen/auth/v1/channel_service_pb";
import { KeyService } from "@sello/gen/auth/v1/key_service_pb";
import { EnvelopeService } from "@sello/gen/backend/v1/envelope_service_pb";
import { KmsService } from "@sello/gen/backend/v1/kms_service_pb";
import { TokenService } from "@sello/gen/backend/v1/token_service_pb";
import { systemClock } from "./clock.ts";
import type { Config, Secrets } from "./config.ts";
import { createAccessTokens } from "./crypto/access-tokens.ts";
import { createChannels } from "./crypto/channels.ts";
import { createCommonPasswords } from "./crypto/common-passwords.ts";
import { hashIdentifier } from "./crypto/hash-identifier.ts";
import { createHashPool, type HashPool } from "./crypto/hash-pool.ts";
import type { KeyStore } from "./crypto/key-store.ts";
import { createPasswordHasher } from "./crypto/passwords.ts";
import { ids, randomKey } from "./crypto/random.ts";
import { refreshTokens } from "./crypto/refresh-tokens.ts";
import { serviceSecrets } from "./crypto/service-secrets.ts";
import { DEMO_USER } from "./demo.ts";
import { building, type Disposal } from "./disposal.ts";
import { createBodies } from "./http/body.ts";
import { createBodyBudget } from "./http/body-budget.ts";
import { createClientAddress } from "./http/client-address.ts";
import { createClientCertificate } from "./http/client-certificate.ts";
import { createCors } from "./http/cors.ts";
import { readHttpRoutes, servedPath, servedRoutes } from "./http/http-rules.ts";
import { createListener } from "./http/listener.ts";
import { listenOnePort, type OnePortOptions } from "./http/one-port.ts";
import { readOpenApi } from "./http/openapi.ts";
import { createOperations } from "./http/operations.ts";
import { readPlayground } from "./http/playground.ts";
import { createRestHandler } from "./http/rest.ts";
import { createSecurityHeaders } from "./http/security-headers.ts";
import { cleanUpJob } from "./jobs/clean-up.ts";
import { keyRotationJob } from "./jobs/key-rotation.ts";
import { schedule } from "./jobs/schedule.ts";
import { openServerKeys } from "./open-keys.ts";
import { openKms } from "./open-kms.ts";
import { createAccounts } from "./postgres/accounts.ts";
import { cleanUp } from "./postgres/clean-up.ts";
import { createEndedSessions } from "./postgres/ended-sessions.ts";
import { createLogins } from "./postgres/logins.ts";
import { createRefreshTokenStore } from "./postgres/refresh-tokens.ts";
import { createServiceAccounts } from "./postgres/service-accounts.ts";
import { createSessions } from "./postgres/sessions.ts";
import { readTls } from "./read-tls.ts";
import { accessInterceptor } from "./rpc/access-interceptor.ts";
import { createAdmission } from "./rpc/admission.ts";
import { createAuthService } from "./rpc/auth-service.ts";
import { createBackendServices } from "./rpc/backend-services.ts";
import { createCallRecord } from "./rpc/call-record.ts";
import { createChannelService } from "./rpc/channel-service.ts";
import { createEnvelopeInterceptors } from "./rpc/envelope-interceptor.ts";
import { createEnvelopeService } from "./rpc/envelope-service.ts";
import { errorInterceptor } from "./rpc/error-interceptor.ts";
import { createOpenFront, frontEnvelope } from "./rpc/front-envelope.ts";
import { createInfrastructure } from "./rpc/infrastructure.ts";
import { createKeyService } from "./rpc/key-service.ts";
import { readPolicies } from "./rpc/policies.ts";
import { createProcedures, implement } from "./rpc/procedures.ts";
import { createReadiness, type Readiness } from "./rpc/readiness.ts";
import { createRefreshCookie } from "./rpc/refresh-cookie.ts";
import { createSealTickets } from "./rpc/seal-tickets.ts";
import { createEnvelopePolicy } from "./rpc/sealing.ts";
import { sessionEnvelope } from "./rpc/session-envelope.ts";
import { telemetryInterceptor } from "./rpc/telemetry-interceptor.ts";
import type { Clock, Deps, Kms } from "./service/ports.ts";
import { createRateLimits } from "./service/rate-limits.ts";
import { rememberAccounts } from "./service/remembered-accounts.ts";
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
const OPEN_API_FILE = fileURLToPath(new URL("../../gen/openapi.json", import.meta.url));

/** Opens the stores and keys, builds the services on them, and listens. Nothing stays open when a part fails. */
export function buildApp(config: Config, secrets: Secrets, overrides: Overrides = {}): Promise<App> {
  return building(async (disposal) => {
    const clock = overrides.clock ?? systemClock;
    const log = overrides.log ?? createLog(config.logLevel);
    const metrics = createMetrics();
    const keys = await openServerKeys(config, { clock, log });
    disposal.defer(() => keys[Symbol.dispose]());
    const kms = await openKms(config, { clock, log });
    const redisKeyPrefix = overrides.redisKeyPrefix ?? "sello:";
    const stores = await openStores({ config, secrets, clock, log, redisKeyPrefix });
    disposal.defer(() => stores[Symbol.asyncDispose]());

    const deps = buildDeps({ config, secrets, clock, stores, keys, kms, metrics, disposal });
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

function buildDeps(
  context: Pick<Context, "config" | "stores" | "keys" | "metrics" | "disposal"> & {
    secrets: Secrets;
    clock: Clock;
    kms: Kms;
  },
): Deps {
  const { config, secrets, clock, stores, keys, kms, metrics, disposal } = context;
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
    kms,
    serviceAccounts: rememberAccounts(createServiceAccounts(database)),
    serviceSecrets,
    randomKey,
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
  const readiness = createReadiness({ look: () => stores.isReady(), stopping: stopping.signal });
  const listener = await createRequestListener(context, { readiness, stopping: stopping.signal });

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

async function createRequestListener(
  { config, log, metrics, stores, keys, deps }: Context,
  server: { readiness: Readiness; stopping: AbortSignal },
) {
  const services = [AuthService, ChannelService, KeyService, TokenService, EnvelopeService, KmsService];
  const policies = readPolicies(services);
  const production = config.environment === "production";
  const sealing = createEnvelopePolicy(
    config.sealing,
    services.flatMap((service) => service.methods),
  );
  const openFront = createOpenFront({
    findOpener: (kid) => keys.ring.findOpener(kid),
    nonces: stores.nonces,
    clock: deps.clock,
    aadRequired: config.frontEncAad === "required",
  });
  const channels = createChannels({
    store: stores.channels,
    kms: deps.kms,
    signer: () => keys.ring.signer(),
    ttlS: config.channelTtlS,
  });
  const envelopes = createEnvelopeInterceptors([frontEnvelope(openFront), sessionEnvelope(channels.open)], sealing);
  const cookie = createRefreshCookie({ plainOnLocalhost: !production && config.tls === undefined });
  const record = createCallRecord(log, metrics);
  const limits = { readMaxBytes: config.bodyLimitBytes, shutdownSignal: server.stopping };
  const procedures = createProcedures(
    [
      implement(AuthService, createAuthService(deps, cookie)),
      implement(ChannelService, createChannelService(channels.create)),
      implement(KeyService, createKeyService(keys.ring)),
      implement(
        EnvelopeService,
        createEnvelopeService({ openFront, channels, tickets: createSealTickets(deps.kms, deps.clock) }),
      ),
      ...createBackendServices(deps, {
        endedSessions: createEndedSessions(stores.database),
        stopping: server.stopping,
      }),
    ],
    {
      ...limits,
      admit: createAdmission({ policies, limits: deps.limits, record }),
      interceptors: [
        errorInterceptor(log),
        telemetryInterceptor(record),
        envelopes.rule,
        accessInterceptor(policies, deps),
        envelopes.open,
      ],
    },
  );
  const infrastructure = createInfrastructure({
    ...limits,
    services,
    readiness: server.readiness,
    reflection: !production,
  });
  const bodies = createBodies(createBodyBudget(config.bodyLimitBytes));
  return createListener({
    bodies,
    rpcs: new Map([...procedures.rpcs, ...infrastructure.rpcs]),
    routes: servedRoutes(readHttpRoutes(services), config.basePath),
    operations: createOperations({
      isReady: server.readiness.isReady,
      openApi: await readOpenApi(OPEN_API_FILE, (path) => servedPath(path, config.basePath)),
      playground: production ? undefined : await readPlayground({ ...config, demo: DEMO_USER }),
    }),
    rest: createRestHandler({ procedures, policies, bodies, bodyLimitBytes: config.bodyLimitBytes }),
    cors: createCors(config.corsOrigins),
    clientAddress: createClientAddress(config.trustedProxies),
    clientCertificate: createClientCertificate({ requested: config.tlsClientCertificates === "request" }),
    setSecurityHeaders: createSecurityHeaders({ strictTransport: production || config.tls !== undefined }),
    bodyLimitBytes: config.bodyLimitBytes,
    ids: deps.ids,
  });
}
