import { type DescFile, type DescService, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { ErrorInfoSchema } from "@sello/gen/google/rpc/error_details_pb";
import type { ServerReflection } from "@sello/gen/grpc/reflection/v1/reflection_pb";

/**
 * Server reflection, so that `buf curl` and `grpcurl` need no schema. `v1alpha` has the same messages under another package,
 * and is served by the same implementation.
 */
export function createReflectionService(services: DescService[]): ServiceImpl<typeof ServerReflection> {
  const files = new Map<string, DescFile>();
  const bySymbol = new Map<string, DescFile>();
  for (const service of services) collect(service.file, files);
  // No message names it: it is in the details of errors, which a client without it can only show as bytes.
  collect(ErrorInfoSchema.file, files);
  for (const file of files.values()) for (const symbol of symbolsOf(file)) bySymbol.set(symbol, file);

  const described = (file: DescFile | undefined) => {
    if (file === undefined) return { errorResponse: { errorCode: Code.NotFound, errorMessage: "not found" } };
    const closure = new Map<string, DescFile>();
    collect(file, closure);
    return { fileDescriptorResponse: { fileDescriptorProto: [...closure.values()].map(encodeFile) } };
  };

  const answer = (request: ReflectionQuery) => {
    switch (request.case) {
      case "listServices":
        return { listServicesResponse: { service: services.map(({ typeName }) => ({ name: typeName })) } };
      case "fileByFilename":
        return described(files.get(request.value));
      case "fileContainingSymbol":
        return described(bySymbol.get(request.value));
      case "fileContainingExtension":
        return described(findExtension(files, request.value));
      case "allExtensionNumbersOfType":
        return {
          allExtensionNumbersResponse: {
            baseTypeName: request.value,
            extensionNumber: extensionsOf(files, request.value).map((extension) => extension.number),
          },
        };
      default:
        return { errorResponse: { errorCode: Code.InvalidArgument, errorMessage: "ask for something" } };
    }
  };

  return {
    async *serverReflectionInfo(requests) {
      for await (const request of readable(requests)) {
        const [[name, value]] = Object.entries(answer(request.messageRequest)) as [[ResponseCase, never]];
        yield {
          validHost: request.host,
          originalRequest: request,
          messageResponse: { case: name, value },
        };
      }
    },
  };
}

type ReflectionQuery =
  | { case: "listServices" | "fileByFilename" | "fileContainingSymbol" | "allExtensionNumbersOfType"; value: string }
  | { case: "fileContainingExtension"; value: { containingType: string; extensionNumber: number } }
  | { case: undefined; value?: undefined };
type ResponseCase = "fileDescriptorResponse";

/** A stream that cannot be read ends with words of ours, not with the parser's. */
async function* readable<T>(requests: AsyncIterable<T>): AsyncIterable<T> {
  try {
    yield* requests;
  } catch {
    throw new ConnectError("The request could not be read.", Code.InvalidArgument);
  }
}

function collect(file: DescFile, into: Map<string, DescFile>): void {
  if (into.has(file.proto.name)) return;
  for (const dependency of file.dependencies) collect(dependency, into);
  into.set(file.proto.name, file);
}

function* symbolsOf(file: DescFile): Iterable<string> {
  for (const service of file.services) {
    yield service.typeName;
    for (const method of service.methods) yield `${service.typeName}.${method.name}`;
  }
  for (const enumeration of file.enums) yield enumeration.typeName;
  for (const extension of file.extensions) yield extension.typeName;
  const messages = [...file.messages];
  for (let message = messages.pop(); message !== undefined; message = messages.pop()) {
    yield message.typeName;
    for (const enumeration of message.nestedEnums) yield enumeration.typeName;
    messages.push(...message.nestedMessages);
  }
}

function extensionsOf(files: Map<string, DescFile>, typeName: string) {
  return [...files.values()]
    .flatMap((file) => file.extensions)
    .filter(({ extendee }) => extendee.typeName === typeName);
}

function findExtension(
  files: Map<string, DescFile>,
  wanted: { containingType: string; extensionNumber: number },
): DescFile | undefined {
  return extensionsOf(files, wanted.containingType).find(({ number }) => number === wanted.extensionNumber)?.file;
}

function encodeFile(file: DescFile): Uint8Array<ArrayBuffer> {
  return new Uint8Array(toBinary(FileDescriptorProtoSchema, file.proto));
}
