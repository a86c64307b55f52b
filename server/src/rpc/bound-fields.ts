import type { DescMessage, Message } from "@bufbuild/protobuf";
import { AuthError } from "../domain/errors.ts";

/** Fields of text that a call's address holds, by their names in the contract. */
export type BoundFields = Record<string, string>;

/**
 * Puts the fields of the address into a message. One that the message has already must be the same.
 * @throws AuthError `invalid_request`
 */
export function bindFields(desc: DescMessage, message: Message, bound: BoundFields): void {
  const members = message as unknown as Record<string, string>;
  for (const [name, value] of Object.entries(bound)) {
    const field = desc.fields.find((candidate) => candidate.name === name);
    if (field === undefined) throw new Error(`${desc.typeName} has no field ${name}`);
    const sent = members[field.localName] ?? "";
    if (sent !== "" && sent !== value) {
      throw new AuthError("invalid_request", { message: `${name} in the body is not that of the address.` });
    }
    members[field.localName] = value;
  }
}
