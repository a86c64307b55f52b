import { fromBinary } from "@bufbuild/protobuf";
import { ErrorInfoSchema } from "@sello/gen/google/rpc/error_details_pb";

/** Data of the user's as JSON: these tests hold whatever the messages are. */
type Data = Record<string, unknown>;
export type ProfileAnswer = {
  status: number;
  reason: string | undefined;
  message: string | undefined;
  dataPublic?: Data;
  dataProtected?: Data;
  dataPrivate?: Data;
  recoveryKey?: string;
  content?: string;
  version?: number;
};

/** Calls a method of `auth.v1.ProfileService` over Connect. */
export async function profile(
  url: string,
  method: string,
  { token, ...body }: { token: string } & Record<string, unknown>,
): Promise<ProfileAnswer> {
  const response = await fetch(`${url}/auth.v1.ProfileService/${method}`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify(body),
  });
  const { details, ...json } = (await response.json()) as ProfileAnswer & { details?: { value: string }[] };
  const info = details?.[0];
  const reason = info === undefined ? undefined : fromBinary(ErrorInfoSchema, Buffer.from(info.value, "base64")).reason;
  return { ...json, message: json.message, status: response.status, reason };
}
