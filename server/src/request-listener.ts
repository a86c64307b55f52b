import { fileURLToPath } from "node:url";
import { RoleService } from "@sello/gen/admin/v1/role_service_pb";
import { UserService } from "@sello/gen/admin/v1/user_service_pb";
import { AuthService } from "@sello/gen/auth/v1/auth_service_pb";
import { ChannelService } from "@sello/gen/auth/v1/channel_service_pb";
import { KeyService } from "@sello/gen/auth/v1/key_service_pb";
import { MfaService } from "@sello/gen/auth/v1/mfa_service_pb";
import { ProfileService } from "@sello/gen/auth/v1/profile_service_pb";
import { EnvelopeService } from "@sello/gen/backend/v1/envelope_service_pb";
import { KmsService } from "@sello/gen/backend/v1/kms_service_pb";
import { TokenService } from "@sello/gen/backend/v1/token_service_pb";
import { UserDataService } from "@sello/gen/backend/v1/user_data_service_pb";
import type { Config } from "./config.ts";
import { createChannels } from "./crypto/channels.ts";
import { nodePrimitives } from "./crypto/envelope-primitives.ts";
import type { KeyStore } from "./crypto/key-store.ts";
import { DEMO_USER } from "./demo.ts";
import { createBodies } from "./http/body.ts";
import { createBodyBudget } from "./http/body-budget.ts";
import { createClientAddress } from "./http/client-address.ts";
import { createClientCertificate } from "./http/client-certificate.ts";
import { createCors } from "./http/cors.ts";
import { readHttpRoutes, servedPath } from "./http/http-rules.ts";
import { createListener } from "./http/listener.ts";
import type { RequestListener } from "./http/one-port.ts";
import { readOpenApi } from "./http/openapi.ts";
import { createOperations } from "./http/operations.ts";
import { readPlayground } from "./http/playground.ts";
import { createRestHandler } from "./http/rest.ts";
import { isDeclared, servedRoutes } from "./http/routes.ts";
import { createSecurityHeaders } from "./http/security-headers.ts";
import { createEndedSessions } from "./postgres/ended-sessions.ts";
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
import { createMfaService } from "./rpc/mfa-service.ts";
import { type Policies, readPolicies } from "./rpc/policies.ts";
import { createProcedures, implement, type Procedures } from "./rpc/procedures.ts";
import { createProfileService } from "./rpc/profile-service.ts";
import type { Readiness } from "./rpc/readiness.ts";
import { createRefreshCookie } from "./rpc/refresh-cookie.ts";
import { createRoleService } from "./rpc/role-service.ts";
import { createSealTickets } from "./rpc/seal-tickets.ts";
import { createEnvelopePolicy } from "./rpc/sealing.ts";
import { sessionEnvelope } from "./rpc/session-envelope.ts";
import { telemetryInterceptor } from "./rpc/telemetry-interceptor.ts";
import { createUserService } from "./rpc/user-service.ts";
import type { Deps } from "./service/ports.ts";
import type { Stores } from "./stores.ts";
import type { Log } from "./telemetry/log.ts";
import type { Metrics } from "./telemetry/metrics.ts";

const OPEN_API_FILE = fileURLToPath(new URL("../../gen/openapi.json", import.meta.url));

export type ListenerContext = {
  config: Config;
  log: Log;
  metrics: Metrics;
  stores: Stores;
  keys: KeyStore;
  deps: Deps;
  readiness: Readiness;
  stopping: AbortSignal;
};

/** Everything that answers on the public port, on stores and services that are there. */
export async function createRequestListener(context: ListenerContext): Promise<RequestListener> {
  const { config, readiness, stopping, deps } = context;
  const { bodyLimitBytes } = config;
  const production = config.environment === "production";
  const policies = readPolicies(SERVICES);
  const procedures = createServiceProcedures(context, policies);
  const infrastructure = createInfrastructure({
    services: SERVICES,
    readiness,
    reflection: !production,
    readMaxBytes: bodyLimitBytes,
    shutdownSignal: stopping,
  });
  const bodies = createBodies(createBodyBudget(bodyLimitBytes));
  return createListener({
    bodies,
    bodyLimitBytes,
    rpcs: new Map([...procedures.rpcs, ...infrastructure.rpcs]),
    routes: servedRoutes(readHttpRoutes(SERVICES), config.basePath),
    operations: createOperations({
      isReady: readiness.isReady,
      openApi: await readOpenApi(OPEN_API_FILE, (path) => servedPath(path, config.basePath)),
      playground: production ? undefined : await readPlayground({ ...config, demo: DEMO_USER }),
    }),
    rest: createRestHandler({ procedures, policies, bodies, bodyLimitBytes }),
    cors: createCors(config.corsOrigins),
    clientAddress: createClientAddress(config.trustedProxies),
    clientCertificate: createClientCertificate({ requested: config.tlsClientCertificates === "request" }),
    setSecurityHeaders: createSecurityHeaders({ strictTransport: production || config.tls !== undefined }),
    ids: deps.ids,
  });
}

const SERVICES = [
  AuthService,
  MfaService,
  ProfileService,
  ChannelService,
  KeyService,
  UserService,
  RoleService,
  TokenService,
  EnvelopeService,
  KmsService,
  UserDataService,
];

/** The RPC paths and the routes that envelopes of this server's own calls are bound to. */
function ownPaths(): (binding: string) => boolean {
  const rpcs = SERVICES.flatMap(({ typeName, methods }) => methods.map(({ name }) => `/${typeName}/${name}`));
  const own = new Set(rpcs);
  const routes = readHttpRoutes(SERVICES);
  return (binding) => own.has(binding) || isDeclared(routes, binding);
}

/** The services of the contract, behind the interceptors that every call of them passes. */
function createServiceProcedures(context: ListenerContext, policies: Policies): Procedures {
  const { config, log, metrics, stores, keys, deps, stopping } = context;
  const opening = {
    findOpener: (kid: string) => keys.ring.findOpener(kid),
    nonces: stores.nonces,
    clock: deps.clock,
    primitives: nodePrimitives,
  };
  const openFront = createOpenFront({ ...opening, aadRequired: config.frontEncAad === "required" });
  // Without a binding nothing says that an envelope was not meant for this server's own login.
  const openForOthers = createOpenFront({ ...opening, aadRequired: true });
  const channels = createChannels({
    store: stores.channels,
    kms: deps.kms,
    signer: () => keys.ring.signer(),
    ttlS: config.channelTtlS,
  });
  const methods = SERVICES.flatMap((service) => service.methods);
  const rule = createEnvelopePolicy(config.sealing, methods);
  const envelopes = createEnvelopeInterceptors([frontEnvelope(openFront), sessionEnvelope(channels)], rule);
  const plainOnLocalhost = config.environment === "development" && config.tls === undefined;
  const tickets = createSealTickets(deps.kms, deps.clock);
  const envelopeDeps = { openFront: openForOthers, channels, tickets, primitives: nodePrimitives, isOwn: ownPaths() };
  const endedSessions = createEndedSessions(stores.database);
  const record = createCallRecord(log, metrics);
  return createProcedures(
    [
      implement(AuthService, createAuthService(deps, createRefreshCookie({ plainOnLocalhost }))),
      implement(ProfileService, createProfileService(deps)),
      implement(ChannelService, createChannelService(channels)),
      implement(KeyService, createKeyService(keys.ring)),
      implement(EnvelopeService, createEnvelopeService(envelopeDeps)),
      implement(UserService, createUserService(deps)),
      implement(RoleService, createRoleService(deps)),
      implement(MfaService, createMfaService(deps)),
      ...createBackendServices(deps, { endedSessions, stopping }),
    ],
    {
      readMaxBytes: config.bodyLimitBytes,
      shutdownSignal: stopping,
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
}
