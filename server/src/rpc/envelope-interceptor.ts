import {
  create,
  type DescField,
  type DescMessage,
  fromJson,
  type JsonValue,
  type Message,
  toJson,
} from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import type { Interceptor } from "@connectrpc/connect";
import { FrontEncSchema } from "@sello/gen/envelope/v1/envelope_pb";
import { AuthError } from "../domain/errors.ts";
import { edgeKey } from "./edge.ts";
import { parseJsonText } from "./json-text.ts";
import type { EnvelopePolicy, OpenedEnvelope, SealingKind } from "./sealing.ts";

/**
 * Opens a sealed request before anything else sees it, and seals the answer the same way. It knows no message: any that carries
 * the field of a kind of envelope can be sealed. The rule is the server's, the same on every protocol.
 */
export function envelopeInterceptor(kinds: SealingKind[], policy: EnvelopePolicy): Interceptor {
  const sealable = new Map<DescMessage, EnvelopeField[]>();

  return (next) => async (request) => {
    if (request.stream) return next(request);
    const { input, output } = request.method;
    const fields = sealable.get(input) ?? findEnvelopeFields(kinds, input);
    sealable.set(input, fields);
    if (fields.length === 0) return next(request);

    const edge = request.contextValues.get(edgeKey);
    const sealed = findSealed(fields, request.message);
    if (sealed === undefined) {
      if (policy(request.method) === "sealed-required") throw new AuthError("envelope_required");
      return next(request);
    }
    // No channel can be opened here, so that none has the id which the envelope names.
    if (sealed.kind === undefined) throw new AuthError("channel_expired");
    const opened = await sealed.kind.open(sealed.envelope, edge.binding);
    const message = parsePlaintext(input, opened.plaintext);
    if (findSealed(fields, message) !== undefined) throw new AuthError("invalid_request", { message: NESTED });

    const response = await next({ ...request, message });
    if (response.stream) throw new Error("a sealable RPC cannot stream its answer");
    return { ...response, message: await sealAnswer(output, response.message, { opened, field: sealed.kind.field }) };
  };
}

const ENVELOPE_PACKAGE = FrontEncSchema.file.proto.package;
const BESIDE = "An envelope travels alone: send no plain field beside it.";
const NESTED = "An envelope cannot hold another envelope.";
const NOT_JSON = "The content of the envelope is not the JSON of this request.";

type EnvelopeField = { kind: SealingKind | undefined; field: DescField };

/** Every field that holds an envelope, those of a kind that is not served included: none is ever passed over in silence. */
function findEnvelopeFields(kinds: SealingKind[], message: DescMessage): EnvelopeField[] {
  return message.fields.flatMap((field) => {
    if (field.fieldKind !== "message" || field.message.file.proto.package !== ENVELOPE_PACKAGE) return [];
    const kind = kinds.find((candidate) => candidate.message.typeName === field.message?.typeName);
    return [{ kind, field }];
  });
}

type Sealed = { kind: SealingKind | undefined; envelope: Message };

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
    return fromJson(desc, parseJsonText(plaintext) as JsonValue, { ignoreUnknownFields: true });
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
  const json = toJson(desc, message, { useProtoFieldName: true, alwaysEmitImplicit: true });
  const sealed = await opened.sealAnswer(JSON.stringify(json));
  return create(desc, { [target.localName]: sealed });
}
