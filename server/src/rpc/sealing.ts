import type { DescMessage, DescMethod, Message } from "@bufbuild/protobuf";
import type { SealingRule, SealingRules } from "../domain/sealing.ts";

/** Where the envelopes stand in every message that may be sealed: contract section 2. */
export const FRONT_ENVELOPE_FIELD = 100;
export const SESSION_ENVELOPE_FIELD = 101;

/** A request that was opened, and the way back. */
export type OpenedEnvelope = {
  plaintext: Uint8Array;
  /** The key of a stateless envelope: the root of a channel, in a handshake. */
  contentKey?: Uint8Array;
  /** The message of this kind that holds the sealed answer. */
  sealAnswer(plaintext: string): Promise<Message>;
};

/** A kind of envelope: where it stands in a message, and how it opens. */
export type SealingKind = {
  /** The number of the field that carries it, in every message that may be sealed. */
  field: number;
  message: DescMessage;
  /** @throws AuthError one of the `envelope_` or `channel_` reasons. */
  open(envelope: Message, binding: string): Promise<OpenedEnvelope>;
};

/** Whether a message may come sealed. One that is about envelopes, and has its own fields for them, may not. */
export function isSealable({ fields }: DescMessage): boolean {
  return fields.some(({ number }) => number === FRONT_ENVELOPE_FIELD || number === SESSION_ENVELOPE_FIELD);
}

/** Whether a message carries an envelope. */
export function isSealed(desc: DescMessage, message: Message): boolean {
  const members = message as unknown as Record<string, unknown>;
  return desc.fields.some(
    ({ number, localName }) =>
      (number === FRONT_ENVELOPE_FIELD || number === SESSION_ENVELOPE_FIELD) && members[localName] !== undefined,
  );
}

export type EnvelopePolicy = (method: DescMethod) => SealingRule;

/** The server's rule, with its exceptions by procedure. @throws Error for an exception that names no procedure. */
export function createEnvelopePolicy(sealing: SealingRules, methods: DescMethod[]): EnvelopePolicy {
  const name = (method: DescMethod) => `${method.parent.typeName}/${method.name}`;
  const known = new Set(methods.map(name));
  for (const procedure of sealing.exceptions.keys()) {
    if (!known.has(procedure)) throw new Error(`ENVELOPE_POLICY: ${procedure} is no procedure of this server`);
  }
  const rules = new Map(methods.map((method) => [method, sealing.exceptions.get(name(method)) ?? sealing.rule]));
  return (method) => rules.get(method) ?? sealing.rule;
}
