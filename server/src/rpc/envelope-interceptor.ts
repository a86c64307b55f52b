import { create, type DescField, type DescMessage, fromJson, type JsonValue, type Message } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import type { Interceptor } from "@connectrpc/connect";
import { AuthError } from "../domain/errors.ts";
import { bindFields } from "./bound-fields.ts";
import { toContractJson } from "./contract-json.ts";
import { edgeKey } from "./edge.ts";
import { parseJsonText } from "./json-text.ts";
import type { EnvelopePolicy, OpenedEnvelope, SealingKind } from "./sealing.ts";

export type EnvelopeInterceptors = {
  /** Refuses a call in clear where the server's rule forbids it, and any mixture. Before a caller is looked at. */
  rule: Interceptor;
  /** Opens a sealed request, and seals its answer the same way. After the caller was: strangers get no private-key operation. */
  open: Interceptor;
};

/**
 * Envelopes, on whatever message has the field of a kind of them: nothing here knows a message. The rule is the server's, the
 * same on every protocol.
 */
export function createEnvelopeInterceptors(kinds: SealingKind[], policy: EnvelopePolicy): EnvelopeInterceptors {
  const sealable = new Map<DescMessage, EnvelopeField[]>();
  const fieldsOf = (message: DescMessage): EnvelopeField[] => {
    const fields = sealable.get(message) ?? findEnvelopeFields(kinds, message);
    sealable.set(message, fields);
    return fields;
  };

  return {
    rule: (next) => async (request) => {
      const fields = request.stream ? [] : fieldsOf(request.method.input);
      if (fields.length === 0 || request.stream) return next(request);
      const isPlain = findSealed(fields, request.message) === undefined;
      if (isPlain && policy(request.method) === "sealed-required") throw new AuthError("envelope_required");
      return next(request);
    },

    open: (next) => async (request) => {
      if (request.stream) return next(request);
      const { input, output } = request.method;
      const fields = fieldsOf(input);
      const sealed = findSealed(fields, request.message);
      if (sealed === undefined) return next(request);

      const edge = request.contextValues.get(edgeKey);
      const opened = await sealed.kind.open(sealed.envelope, edge.binding);
      edge.contentKey = opened.contentKey;
      const message = parsePlaintext(input, opened.plaintext);
      if (findSealed(fields, message) !== undefined) throw new AuthError("invalid_request", { message: NESTED });

      if (edge.boundFields !== undefined) bindFields(input, message, edge.boundFields);
      const response = await next({ ...request, message });
      if (response.stream) throw new Error("a sealable RPC cannot stream its answer");
      return { ...response, message: await sealAnswer(output, response.message, { opened, field: sealed.kind.field }) };
    },
  };
}

const BESIDE = "An envelope travels alone: send no plain field beside it.";
const NESTED = "An envelope cannot hold another envelope.";
const NOT_JSON = "The content of the envelope is not the JSON of this request.";

type EnvelopeField = { kind: SealingKind; field: DescField };

/** By number and type: a message that is about envelopes, and not sealed itself, has its own fields for them. */
function findEnvelopeFields(kinds: SealingKind[], message: DescMessage): EnvelopeField[] {
  return message.fields.flatMap((field) => {
    const kind = kinds.find(({ field: number }) => number === field.number);
    const isEnvelope = kind !== undefined && field.message?.typeName === kind.message.typeName;
    return isEnvelope ? [{ kind, field }] : [];
  });
}

type Sealed = { kind: SealingKind; envelope: Message };

/** The one envelope of a message, or undefined when it is plain. @throws AuthError `invalid_request` for any mixture. */
function findSealed(fields: EnvelopeField[], message: Message): Sealed | undefined {
  const members = message as unknown as Record<string, Message | undefined>;
  const present = fields.filter(({ field }) => members[field.localName] !== undefined);
  const [first] = present;
  if (first === undefined) return undefined;
  const envelope = members[first.field.localName];
  if (envelope === undefined || present.length > 1) throw new AuthError("invalid_request", { message: BESIDE });
  const whole = reflect(first.field.parent, message);
  const others = first.field.parent.fields.filter((field) => field !== first.field && whole.isSet(field));
  if (others.length > 0 || message.$unknown !== undefined) throw new AuthError("invalid_request", { message: BESIDE });
  return { kind: first.kind, envelope };
}

function parsePlaintext(desc: DescMessage, plaintext: Uint8Array): Message {
  try {
    return fromJson(desc, parseJsonText(plaintext, { sealable: true }) as JsonValue, { ignoreUnknownFields: true });
  } catch {
    throw new AuthError("invalid_request", { message: NOT_JSON });
  }
}

async function sealAnswer(
  desc: DescMessage,
  message: Message,
  { opened, field }: { opened: OpenedEnvelope; field: number },
): Promise<Message> {
  const target = desc.fields.find((candidate) => candidate.number === field);
  if (target === undefined) throw new Error(`${desc.typeName} has no field for a sealed answer`);
  const sealed = await opened.sealAnswer(JSON.stringify(toContractJson(desc, message)));
  return create(desc, { [target.localName]: sealed });
}
