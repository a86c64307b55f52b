import { type Client, ConnectError, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { KmsService } from "@sello/gen/backend/v1/kms_service_pb";
import { TokenService } from "@sello/gen/backend/v1/token_service_pb";
import { UserDataService } from "@sello/gen/backend/v1/user_data_service_pb";
import { ErrorInfoSchema } from "@sello/gen/google/rpc/error_details_pb";
import { createServiceAccount } from "../../src/service/service-accounts.ts";
import type { TestApp } from "./start-app.ts";

type TransportOptions = { baseUrl: string; interceptors: Interceptor[] };

/** Every protocol that a back end may use, and both encodings. */
export const TRANSPORTS: [string, (options: TransportOptions) => Transport][] = [
  ["gRPC", (options) => createGrpcTransport(options)],
  ["gRPC in JSON", (options) => createGrpcTransport({ ...options, useBinaryFormat: false })],
  ["gRPC-Web", (options) => createGrpcWebTransport({ ...options, httpVersion: "1.1" })],
  ["Connect", (options) => createConnectTransport({ ...options, httpVersion: "1.1", useBinaryFormat: true })],
  ["Connect in JSON over HTTP/2", (options) => createConnectTransport({ ...options, httpVersion: "2" })],
];

export type Backend = {
  tokens: Client<typeof TokenService>;
  kms: Client<typeof KmsService>;
  users: Client<typeof UserDataService>;
};

/** Another back end that calls with a secret, by gRPC unless told otherwise. */
export function backend(url: string, secret: string | undefined, createTransport = TRANSPORTS[0]?.[1]): Backend {
  const authorize: Interceptor = (next) => (request) => {
    if (secret !== undefined) request.header.set("authorization", `Bearer ${secret}`);
    return next(request);
  };
  const transport = createTransport?.({ baseUrl: url, interceptors: [authorize] });
  if (transport === undefined) throw new Error("there is no transport");
  return {
    tokens: createClient(TokenService, transport),
    kms: createClient(KmsService, transport),
    users: createClient(UserDataService, transport),
  };
}

let count = 0;

/** The secret of a new service account. */
export function newServiceAccount(
  { app }: TestApp,
  options: { name?: string; scopes?: string[]; bindings?: string[]; clientCertificate?: Buffer } = {},
): Promise<string> {
  const scopes = ["tokens:validate", "kms:use", "envelopes:use"];
  return createServiceAccount(app.deps, { name: `backend-${process.pid}-${count++}`, scopes, ...options });
}

/** The contract's reason of a call that failed; undefined for one that succeeded. */
export async function reasonOf(call: Promise<unknown>): Promise<string | undefined> {
  try {
    await call;
    return undefined;
  } catch (error) {
    return ConnectError.from(error).findDetails(ErrorInfoSchema)[0]?.reason ?? String(error);
  }
}
