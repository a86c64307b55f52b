import { type DescMessage, getOption, type JsonObject, type MessageShape, toJson } from "@bufbuild/protobuf";
import { omit_when_empty } from "@sello/gen/auth/v1/policy_pb";

/** `getOption` parses at each call. */
const omitted = new WeakMap<DescMessage, string[]>();

/** A message as the contract writes it: proto field names, and every field, but for those that are left out when empty. */
export function toContractJson<D extends DescMessage>(desc: D, message: MessageShape<D>): JsonObject {
  const json = toJson(desc, message, { useProtoFieldName: true, alwaysEmitImplicit: true }) as JsonObject;
  for (const name of omittedWhenEmpty(desc)) if (isEmpty(json[name])) delete json[name];
  return json;
}

function omittedWhenEmpty(desc: DescMessage): string[] {
  let names = omitted.get(desc);
  if (names === undefined) {
    names = desc.fields.filter((field) => getOption(field, omit_when_empty)).map(({ name }) => name);
    omitted.set(desc, names);
  }
  return names;
}

function isEmpty(value: JsonObject[string] | undefined): boolean {
  return value === "" || value === 0 || value === false || (Array.isArray(value) && value.length === 0);
}
