import { create, fromJson, type JsonObject, toJson } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { type Jwk, KeyService } from "@sello/gen/auth/v1/key_service_pb";
import { EnvelopeService, type OpenRequest, OpenRequestSchema } from "@sello/gen/backend/v1/envelope_service_pb";
import { KmsService } from "@sello/gen/backend/v1/kms_service_pb";
import { TokenService } from "@sello/gen/backend/v1/token_service_pb";
import { UserDataService } from "@sello/gen/backend/v1/user_data_service_pb";
import { FrontEncSchema, SessionEncSchema } from "@sello/gen/envelope/v1/envelope_pb";
import { ProtectedDataSchema } from "@sello/gen/userdata/v1/userdata_pb";
import type { Authority, PublishedKey, SealedBody } from "./authority.ts";
import { type ConnectionOptions, createConnection } from "./connection.ts";
import { AuthError } from "./errors.ts";
import { createCalls } from "./retry.ts";
import { createServiceCheck } from "./service-check.ts";
import { toServiceError } from "./to-auth-error.ts";

/** The server, over gRPC. Only what changes nothing is tried again. */
export function createGrpcAuthority(options: ConnectionOptions & { timeoutMs: number }): Authority {
  const connection = createConnection(options);
  const { transport } = connection;
  const closing = new AbortController();
  const tokens = createClient(TokenService, transport);
  const envelopes = createClient(EnvelopeService, transport);
  const kms = createClient(KmsService, transport);
  const users = createClient(UserDataService, transport);
  const keys = createClient(KeyService, transport);
  const calls = createCalls(options.timeoutMs, closing.signal);
  const aboutToken = createServiceCheck((call) => envelopes.open({ binding: "" }, call), calls);

  return {
    validateToken: (accessToken) =>
      aboutToken(async () => {
        const answer = await calls.safely((call) => tokens.validateToken({ accessToken }, call));
        const { userId: id, username, roles, permissions, sessionId, expiresAt } = answer;
        if (expiresAt === undefined) throw new AuthError("unavailable");
        return { user: { id, username, roles, permissions }, sessionId, expiresAt: timestampDate(expiresAt) };
      }),

    async *watchRevocations(signal) {
      try {
        yield* tokens.watchRevocations({}, { signal });
      } catch (error) {
        throw toServiceError(error);
      }
      throw new AuthError("unavailable");
    },

    async open(sealed, binding) {
      const request = create(OpenRequestSchema, { envelope: toEnvelope(sealed), binding });
      const attempt = calls.once((call) => envelopes.open(request, call));
      const { payload, sealTicket: ticket } = await attempt.catch(throwServiceError);
      return { payload, ticket };
    },

    async seal(sealTicket, payload) {
      const attempt = calls.once((call) => envelopes.seal({ sealTicket, payload }, call));
      return fromEnvelope((await attempt.catch(throwServiceError)).envelope);
    },

    async createUserKey(userId, purpose) {
      const attempt = calls.once((call) => kms.createUserKey({ userId, purpose }, call));
      const { key, wrappedKey } = await attempt.catch(throwServiceError);
      return { key, wrappedKey };
    },

    async decryptKey(input) {
      const attempt = calls.safely((call) => kms.decryptKey(input, call));
      const { key, rewrappedKey } = await attempt.catch(throwServiceError);
      return { key, ...(rewrappedKey !== undefined && { rewrappedKey }) };
    },

    async protectedData(userId) {
      const attempt = calls.safely((call) => users.getProtectedData({ userId }, call));
      const { dataProtected } = await attempt.catch(throwServiceError);
      return dataProtected ?? create(ProtectedDataSchema);
    },

    async jwks() {
      const { keys: published } = await calls.safely((call) => keys.getJwks({}, call));
      return published.map(toPublishedKey);
    },

    close() {
      closing.abort(new AuthError("unavailable", { message: "This client is closed." }));
      connection.close();
    },
  };
}

function throwServiceError(error: unknown): never {
  throw error instanceof AuthError ? toServiceError(error) : error;
}

function toEnvelope({ member, envelope }: SealedBody): OpenRequest["envelope"] {
  const options = { ignoreUnknownFields: true };
  try {
    return member === "__front_enc__"
      ? { case: "frontEnc", value: fromJson(FrontEncSchema, envelope as JsonObject, options) }
      : { case: "sessionEnc", value: fromJson(SessionEncSchema, envelope as JsonObject, options) };
  } catch (cause) {
    throw new AuthError("invalid_request", { cause });
  }
}

function fromEnvelope(envelope: OpenRequest["envelope"]): SealedBody {
  if (envelope.case === "frontEnc") {
    return { member: "__front_enc__", envelope: toJson(FrontEncSchema, envelope.value) as JsonObject };
  }
  if (envelope.case === "sessionEnc") {
    return { member: "__session_enc__", envelope: toJson(SessionEncSchema, envelope.value) as JsonObject };
  }
  throw new AuthError("unavailable");
}

function toPublishedKey({ $typeName, $unknown, ...key }: Jwk): PublishedKey {
  return key as PublishedKey;
}
