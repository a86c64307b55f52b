import { Code, ConnectError, createClient, type Client as RpcClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { createConnectTransport as createWebTransport } from "@connectrpc/connect-web";
import { AuthService } from "@sello/gen/auth/v1/auth_service_pb";
import { ErrorInfoSchema } from "@sello/gen/google/rpc/error_details_pb";

export type AuthClient = RpcClient<typeof AuthService>;

/** Every protocol that a generated client may speak, each over the version of HTTP it is used with. */
export const TRANSPORTS: Record<string, (baseUrl: string) => Transport> = {
  "Connect in JSON": (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false }),
  "Connect in binary": (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2", useBinaryFormat: true }),
  "Connect by GET": (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1", useHttpGet: true }),
  "gRPC-Web": (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
  gRPC: (baseUrl) => createGrpcTransport({ baseUrl }),
  "connect-web": (baseUrl) => createWebTransport({ baseUrl }),
};

export function authClient(protocol: string, url: string): AuthClient {
  const transport = TRANSPORTS[protocol];
  if (transport === undefined) throw new Error(`${protocol} is no protocol of ours`);
  return createClient(AuthService, transport(url));
}

/** The contract's code of an error, its gRPC code and its message. */
export type Refusal = { reason: string; domain: string; code: string; message: string };

export async function refusalOf(call: Promise<unknown>): Promise<Refusal> {
  try {
    await call;
  } catch (error) {
    const refused = ConnectError.from(error);
    const [info] = refused.findDetails(ErrorInfoSchema);
    return {
      reason: info?.reason ?? "",
      domain: info?.domain ?? "",
      code: Code[refused.code],
      message: refused.rawMessage,
    };
  }
  throw new Error("the call was not refused");
}

export function bearer(token: string): { headers: Record<string, string> } {
  return { headers: { authorization: `Bearer ${token}` } };
}
