import { create, fromJson, type JsonObject, toJson } from "@bufbuild/protobuf";
import { type PublicData, PublicDataSchema } from "@sello/gen/userdata/v1/userdata_pb";
import { refuseProblems } from "../domain/validation.ts";

/** Of each class of a user's data. */
export const MAX_DATA_BYTES = 16 * 1024;

/** Public data as it is stored. @throws AuthError `validation_failed` for text that cannot be, and for more than 16 KiB. */
export function toStoredPublicData(data: PublicData | undefined): Record<string, unknown> {
  if (data === undefined) return {};
  const json = toJson(PublicDataSchema, data, { useProtoFieldName: true });
  const text = JSON.stringify(json);
  // JSON.stringify writes lone surrogates and NUL as escapes, which PostgreSQL refuses in jsonb.
  if (/(?<!\\)(\\\\)*\\u(0000|d[89a-f])/i.test(text)) {
    refuseProblems([{ field: "data_public", problem: "must be well-formed text without NUL" }]);
  }
  if (Buffer.byteLength(text) > MAX_DATA_BYTES) {
    refuseProblems([{ field: "data_public", problem: `must have at most ${MAX_DATA_BYTES} bytes` }]);
  }
  return json as Record<string, unknown>;
}

/** Public data that came as JSON, as it is stored. @throws AuthError `validation_failed` for what is no `PublicData`. */
export function parsePublicData(json: unknown): Record<string, unknown> {
  let data: PublicData | undefined;
  try {
    data = fromJson(PublicDataSchema, json as JsonObject);
  } catch {
    refuseProblems([{ field: "data_public", problem: "must be a PublicData of userdata.proto, as JSON" }]);
  }
  return toStoredPublicData(data);
}

/** Stored data that was written under an older form of the message is read as far as it fits. */
export function fromStoredPublicData(stored: Record<string, unknown>): PublicData {
  if (Object.keys(stored).length === 0) return create(PublicDataSchema);
  return fromJson(PublicDataSchema, stored as JsonObject, { ignoreUnknownFields: true });
}
