import { fromBinary } from "@bufbuild/protobuf";
import { ErrorInfoSchema } from "@sello/gen/google/rpc/error_details_pb";

/** An answer over the Connect protocol, in JSON. `reason` is the contract's code of an error. */
export type RpcAnswer<T> = { status: number; headers: Headers; body: T; reason: string | undefined };

type ErrorDetails = { details?: { value: string }[] };

/** Calls a method, of `auth.v1.AuthService` unless it says otherwise. Bodies are in lowerCamelCase. */
export async function rpc<T = Record<string, unknown>>(
  url: string,
  method: string,
  options: { body?: object; token?: string; headers?: Record<string, string>; service?: string } = {},
): Promise<RpcAnswer<T>> {
  const { body = {}, token, headers = {}, service = "auth.v1.AuthService" } = options;
  const response = await fetch(`${url}/${service}/${method}`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...headers,
    },
    body: JSON.stringify(body),
  });
  const json = (await response.json()) as T & ErrorDetails;
  const info = json.details?.[0];
  const reason = info === undefined ? undefined : fromBinary(ErrorInfoSchema, Buffer.from(info.value, "base64")).reason;
  return { status: response.status, headers: response.headers, body: json, reason };
}

export type ListedSession = { id: string; current?: boolean; ip?: string; userAgent?: string };

export async function listSessions(
  url: string,
  token: string,
  page: { pageSize?: number; pageToken?: string } = {},
): Promise<{ sessions: ListedSession[]; nextPageToken: string }> {
  const { body } = await rpc<{ sessions?: ListedSession[]; nextPageToken?: string }>(url, "ListSessions", {
    token,
    body: page,
  });
  return { sessions: body.sessions ?? [], nextPageToken: body.nextPageToken ?? "" };
}

export function changePassword(
  url: string,
  token: string,
  passwords: { currentPassword: string; newPassword: string },
): Promise<RpcAnswer<{ revokedSessions?: number; message?: string }>> {
  return rpc(url, "ChangePassword", { token, body: passwords });
}
