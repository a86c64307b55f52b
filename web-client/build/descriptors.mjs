// Takes out of generated code what a browser does not need, and writes the rest as an object literal instead of base64.
import { fromBinary, toJson } from "@bufbuild/protobuf";
import { base64Decode } from "@bufbuild/protobuf/wire";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";

/** Files that only declare options: who may call an RPC, and at which route, is the server's business. */
const optionFiles = /file_(?:auth_v1_policy|google_api_\w+)/;
const optionImport = new RegExp(`^import \\{ ${optionFiles.source} \\} from .*$`, "gm");
const optionReference = new RegExp(`\\b${optionFiles.source}\\b(, )?`, "g");

/** @param {string} code a module made by protoc-gen-es */
export function withLiteralDescriptor(code) {
  const stripped = code.replace(optionImport, "").replace(optionReference, "");
  return `import { fileOf } from "#file-of";\n${stripped.replace(
    /\bfileDesc\("([^"]+)"/,
    (_, descriptor) => `fileOf(${JSON.stringify(literalOf(descriptor))}`,
  )}`;
}

/** @param {string} descriptor */
function literalOf(descriptor) {
  const file = fromBinary(FileDescriptorProtoSchema, base64Decode(descriptor));
  return compact(toJson(FileDescriptorProtoSchema, file, { enumAsInteger: true }));
}

/** What is left without options; that a message is the entry of a map is no option but what it is. @param {any} value */
function compact(value) {
  if (Array.isArray(value)) return value.map(compact);
  if (typeof value !== "object" || value === null) return value;
  const { options, dependency: _dependency, ...rest } = value;
  const kept = options?.mapEntry ? { ...rest, options: { mapEntry: true } } : rest;
  return Object.fromEntries(
    Object.entries(kept).map(([name, member]) => [name, name === "options" ? member : compact(member)]),
  );
}
