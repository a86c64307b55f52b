import { type Bytes, utf8Text } from "./bytes.ts";
import { EnvelopeError } from "./errors.ts";

export type Members = Readonly<Record<string, unknown>>;

/** The object that the bytes spell in strict UTF-8 and JSON; throws `envelope_invalid` when they spell anything else. */
export function readJsonObject(bytes: Bytes): Members {
  return membersOf(parse(bytes));
}

/** The members of a value that must be an object; throws `envelope_invalid` when it is not. */
export function membersOf(input: unknown): Members {
  if (typeof input !== "object" || input === null || Array.isArray(input)) invalid();
  return input as Members;
}

export function hasMembers(object: object): boolean {
  return Object.keys(object).length > 0;
}

function parse(bytes: Bytes): unknown {
  try {
    return JSON.parse(utf8Text(bytes));
  } catch {
    invalid();
  }
}

function invalid(): never {
  throw new EnvelopeError("envelope_invalid");
}
