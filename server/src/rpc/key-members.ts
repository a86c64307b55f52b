import type { EphemeralKey } from "@sello/gen/envelope/v1/envelope_pb";

/** An ephemeral key as the codec takes it: its members, without what makes it a message. */
export function keyMembers({
  $typeName: _type,
  $unknown: _unknown,
  ...members
}: EphemeralKey): Record<string, unknown> {
  return members;
}
