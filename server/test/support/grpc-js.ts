import {
  create,
  type DescMessage,
  type DescMethod,
  type DescService,
  fromBinary,
  type Message,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import { type Client, credentials, makeGenericClientConstructor, type ServiceDefinition } from "@grpc/grpc-js";

/** A client of @grpc/grpc-js for a service, in clear text, with the messages of protobuf-es. */
export function grpcJsClient(url: string, service: DescService): Client {
  const definition = Object.fromEntries(service.methods.map((method) => [method.name, definitionOf(service, method)]));
  const Constructor = makeGenericClientConstructor(definition as unknown as ServiceDefinition, service.typeName);
  return new Constructor(new URL(url).host, credentials.createInsecure());
}

type Unary = (message: object, done: (error: unknown, answer: Message) => void) => void;

/** Makes a unary call. Rejects with grpc-js' `ServiceError`. */
export function callGrpc(client: Client, method: string, message: object): Promise<Message> {
  const methods = client as unknown as Record<string, Unary | undefined>;
  return new Promise((resolve, reject) => {
    methods[method]?.call(client, message, (error, answer) => (error ? reject(error) : resolve(answer)));
  });
}

function definitionOf(service: DescService, method: DescMethod) {
  return {
    path: `/${service.typeName}/${method.name}`,
    requestStream: method.methodKind === "bidi_streaming" || method.methodKind === "client_streaming",
    responseStream: method.methodKind === "bidi_streaming" || method.methodKind === "server_streaming",
    ...codec(method.input, "request"),
    ...codec(method.output, "response"),
  };
}

function codec(message: DescMessage, side: "request" | "response") {
  return {
    [`${side}Serialize`]: (value: MessageInitShape<DescMessage>) =>
      Buffer.from(toBinary(message, create(message, value))),
    [`${side}Deserialize`]: (bytes: Buffer): Message => fromBinary(message, bytes),
  };
}
