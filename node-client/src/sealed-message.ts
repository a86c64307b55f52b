import {
  create,
  type DescField,
  type DescMessage,
  fromJson,
  type JsonObject,
  type JsonValue,
  type Message,
  toJson,
} from "@bufbuild/protobuf";
import type { UnaryRequest } from "@connectrpc/connect";
import { FrontEncSchema, SessionEncSchema } from "@sello/gen/envelope/v1/envelope_pb";
import type { EnvelopeMember } from "./authority.ts";
import { AuthError } from "./errors.ts";
import type { Guard } from "./guard.ts";
import type { SealedJson } from "./sealed-body.ts";

/** Where the envelopes stand in every message that may be sealed: contract section 2. */
const KINDS: Record<EnvelopeMember, { number: number; desc: DescMessage }> = {
  __front_enc__: { number: 100, desc: FrontEncSchema },
  __session_enc__: { number: 101, desc: SessionEncSchema },
};
const MEMBERS = Object.keys(KINDS) as EnvelopeMember[];

export type OpenedMessage = { message: Message; sealAnswer(answer: Message): Promise<Message> };

/** The message of a sealed call; undefined for one in clear that may be. @throws AuthError as `Guard.open` does. */
export async function openMessage(guard: Guard, request: UnaryRequest): Promise<OpenedMessage | undefined> {
  const { method, message } = request;
  const { input, output } = method;
  const opened = await guard.open(sealedJson(input, message), `/${method.parent.typeName}/${method.name}`);
  if (opened === undefined) return undefined;
  return {
    message: parse(input, opened.payload),
    async sealAnswer(answer) {
      const json = toJson(output, answer, { useProtoFieldName: true, alwaysEmitImplicit: true });
      return toSealedMessage(output, await opened.seal(json));
    },
  };
}

/** A message as the JSON body it would be, as far as envelopes go: the fields that are set, envelopes by their member's name. */
function sealedJson(desc: DescMessage, message: Message): unknown {
  const fields = MEMBERS.flatMap((member) => {
    const field = envelopeField(desc, member);
    return field === undefined ? [] : [{ member, field }];
  });
  const values = message as unknown as Record<string, Message | undefined>;
  const set = fields.filter(({ field }) => values[field.localName] !== undefined);
  if (set.length === 0) return {};
  const json = { ...(toJson(desc, message, { useProtoFieldName: true }) as JsonObject) };
  for (const { member, field } of set) {
    const value = json[field.name] ?? {};
    delete json[field.name];
    json[member] = value;
  }
  if (message.$unknown !== undefined) throw new AuthError("invalid_request");
  return json;
}

function parse(desc: DescMessage, payload: unknown): Message {
  try {
    return fromJson(desc, payload as JsonValue, { ignoreUnknownFields: true });
  } catch (cause) {
    throw new AuthError("invalid_request", { message: "The envelope does not hold this request.", cause });
  }
}

function toSealedMessage(desc: DescMessage, sealed: SealedJson): Message {
  const member = MEMBERS.find((name) => sealed[name] !== undefined);
  const field = member && envelopeField(desc, member);
  if (member === undefined || field === undefined) throw new Error(`${desc.typeName} cannot be sealed`);
  return create(desc, { [field.localName]: fromJson(KINDS[member].desc, sealed[member] as JsonObject) });
}

function envelopeField(desc: DescMessage, member: EnvelopeMember): DescField | undefined {
  const { number, desc: kind } = KINDS[member];
  return desc.fields.find((field) => field.number === number && field.message?.typeName === kind.typeName);
}
