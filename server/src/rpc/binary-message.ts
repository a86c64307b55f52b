import { type DescMessage, fromBinary, type Message } from "@bufbuild/protobuf";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { AuthError } from "../domain/errors.ts";
import { FRONT_ENVELOPE_FIELD, isSealable, SESSION_ENVELOPE_FIELD } from "./sealing.ts";

/** Far more than any message here has fields. */
const MAX_FIELDS = 1_000;

/**
 * Parses the protobuf of a request under the rules of the JSON ones: not too many fields, and nothing beside an envelope, not
 * even the same envelope again, which a parser would merge with the first, nor a field that is empty or unknown.
 * @throws AuthError `invalid_request` for anything else.
 */
export function parseBinaryMessage(desc: DescMessage, bytes: Uint8Array): Message {
  try {
    const fields = fieldNumbers(bytes);
    if (fields.length > 1 && isSealable(desc) && fields.some(isEnvelope)) throw new AuthError("invalid_request");
    return fromBinary(desc, bytes, { readUnknownFields: false });
  } catch {
    throw new AuthError("invalid_request");
  }
}

function fieldNumbers(bytes: Uint8Array): number[] {
  const reader = new BinaryReader(bytes);
  const numbers: number[] = [];
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    reader.skip(wireType, number);
    if (numbers.push(number) > MAX_FIELDS) throw new AuthError("invalid_request");
  }
  return numbers;
}

function isEnvelope(number: number): boolean {
  return number === FRONT_ENVELOPE_FIELD || number === SESSION_ENVELOPE_FIELD;
}
