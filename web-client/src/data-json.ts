import { create, type DescMessage, fromJson, type Message, toJson } from "@bufbuild/protobuf";
import { PrivateDataSchema, ProtectedDataSchema, PublicDataSchema } from "@sello/gen/userdata/v1/userdata_pb";

/** A message as a person edits it: in JSON. */
export type DataJson = {
  /** The names of the members, those of messages in them too. */
  members: string;
  /** The message of a text. Throws an Error that names the member that the message does not have, or what else is wrong. */
  read(text: string): Message;
  /** Every member that JSON can show without a value; an absent message is one that has none. */
  write(message?: Message): string;
};

function dataJsonOf(schema: DescMessage): DataJson {
  return {
    members: membersOf(schema, [schema.typeName]),
    read: (text) => fromJson(schema, JSON.parse(text)),
    write: (message = create(schema)) => JSON.stringify(toJson(schema, message, { alwaysEmitImplicit: true }), null, 2),
  };
}

/** `phone, address { town, country }`. A message inside itself is only named. */
function membersOf({ fields }: DescMessage, path: readonly string[]): string {
  const members = fields.map(({ jsonName, message }) => {
    const isOpened = message !== undefined && message.fields.length > 0 && !path.includes(message.typeName);
    const isPlain = message?.typeName.startsWith("google.protobuf.");
    return isOpened && !isPlain ? `${jsonName} { ${membersOf(message, [...path, message.typeName])} }` : jsonName;
  });
  return members.join(", ");
}

/** The data of users as JSON, by class: the messages of `userdata.proto`. */
export const dataJson = {
  public: dataJsonOf(PublicDataSchema),
  protected: dataJsonOf(ProtectedDataSchema),
  private: dataJsonOf(PrivateDataSchema),
};
