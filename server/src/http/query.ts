import { type DescField, type JsonObject, type JsonValue, ScalarType } from "@bufbuild/protobuf";
import { AuthError } from "../domain/errors.ts";
import { decode } from "./path-template.ts";

const INT32 = /^-?(0|[1-9]\d{0,9})$/;
const MAX_INT32 = 2 ** 31 - 1;

/**
 * The fields of a message that stand in the query of an address, as its JSON. A route that takes none looks at none: a token that
 * somebody put there is nothing to it.
 * @throws AuthError `invalid_request` for what is no field, stands twice, or is not of the field's type.
 */
export function readQuery(url: string, fields: Map<string, DescField>): JsonObject {
  const start = url.indexOf("?");
  const json: JsonObject = {};
  if (start < 0 || fields.size === 0) return json;
  for (const pair of url.slice(start + 1).split("&")) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    const [name, text] = equals < 0 ? [pair, ""] : [pair.slice(0, equals), pair.slice(equals + 1)];
    const field = fields.get(decodeForm(name));
    if (field === undefined) throw refusal("The query names what this route does not take.");
    if (Object.hasOwn(json, field.name)) throw refusal(`${field.name} stands in the query twice.`);
    json[field.name] = readValue(field, decodeForm(text));
  }
  return json;
}

function readValue(field: DescField, text: string): JsonValue {
  if (field.scalar === ScalarType.STRING) return text;
  if (field.scalar === ScalarType.BOOL && (text === "true" || text === "false")) return text === "true";
  if (field.scalar === ScalarType.INT32 && INT32.test(text) && Math.abs(Number(text)) <= MAX_INT32) {
    return Number(text);
  }
  throw refusal(`${field.name} is not of its type.`);
}

/** In a query, unlike in a path, a plus is a space. */
function decodeForm(text: string): string {
  return decode(text.replaceAll("+", " "));
}

function refusal(message: string): AuthError {
  return new AuthError("invalid_request", { message });
}
