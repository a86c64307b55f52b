// Part of dist/auth.js, in the place of protobuf-es' own fileDesc(): a file's descriptor from an object literal that the build
// has read from the binary one. So the script needs neither the descriptor of descriptors nor the binary format to read it.
import { createFileRegistry } from "@bufbuild/protobuf";

// Own members are those that are set: what is not stands on the prototype.
const field = {
  label: 1,
  typeName: "",
  extendee: "",
  defaultValue: "",
  oneofIndex: 0,
  jsonName: "",
  proto3Optional: false,
};

/** @typedef {Record<string, any>} Literal what `literalOf` of descriptors.mjs writes */

/** The rule of protobuf: the name in lowerCamelCase. @param {string} name */
const jsonNameOf = (name) => name.replace(/_+(.?)/g, (_, letter) => letter.toUpperCase());

const named = (/** @type {Literal[]} */ all = []) => all.map((one) => ({ ...one }));

/** @param {Literal} literal */
const message = (literal) => ({
  extension: [],
  extensionRange: [],
  ...literal,
  field: (literal.field ?? []).map((/** @type {Literal} */ one) =>
    Object.assign(Object.create(field), { jsonName: jsonNameOf(one.name) }, one),
  ),
  nestedType: (literal.nestedType ?? []).map(message),
  enumType: named(literal.enumType),
  oneofDecl: named(literal.oneofDecl),
});

/** @param {Literal} literal @param {any[]} imports */
export function fileOf(literal, imports = []) {
  const root = {
    $typeName: "google.protobuf.FileDescriptorProto",
    edition: 0,
    extension: [],
    ...literal,
    dependency: imports.map(({ proto }) => proto.name),
    messageType: (literal.messageType ?? []).map(message),
    enumType: named(literal.enumType),
    service: named(literal.service),
  };
  const find = (/** @type {string} */ name) => imports.find(({ proto }) => proto.name === name);
  return createFileRegistry(root, find).getFile(root.name);
}
