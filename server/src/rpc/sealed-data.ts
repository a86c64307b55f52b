import { create, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import type { PrivateDataSchema, ProtectedDataSchema } from "@sello/gen/userdata/v1/userdata_pb";
import { refuseProblems } from "../domain/validation.ts";
import { MAX_DATA_BYTES } from "./public-data.ts";
import { type Replaced, replaceFields } from "./update-mask.ts";

type SealedSchema = typeof ProtectedDataSchema | typeof PrivateDataSchema;

/**
 * Protected and private data as they are sealed: in protobuf's binary form, so that a field keeps its data when it is renamed. What
 * the message does not know is not kept: neither what a client made up, nor, at the next change, what was of a field that is gone.
 */
export function readSealedData<Desc extends SealedSchema>(
  desc: Desc,
  stored: Uint8Array | undefined,
): MessageShape<Desc> {
  return stored === undefined ? create(desc) : fromBinary(desc, stored, { readUnknownFields: false });
}

/** What changes stored data as an update asks. @throws AuthError `validation_failed` for more than 16 KiB. */
export function changeSealedData<Desc extends SealedSchema>(
  desc: Desc,
  { field, sent, replaced }: { field: string; sent: MessageShape<Desc> | undefined; replaced: Replaced },
): (stored: Uint8Array | undefined) => Uint8Array {
  const given = sent ?? create(desc);
  return (stored) => {
    const before = replaced === "all" ? undefined : readSealedData(desc, stored);
    if (before !== undefined && replaced !== "all") replaceFields(desc, { stored: before, sent: given, replaced });
    const bytes = toBinary(desc, before ?? given, { writeUnknownFields: false });
    if (bytes.length > MAX_DATA_BYTES) {
      refuseProblems([{ field, problem: `must have at most ${MAX_DATA_BYTES} bytes` }]);
    }
    return bytes;
  };
}
