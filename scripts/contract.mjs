// Reads the contract as buf builds it, comments included.
import { execFileSync } from "node:child_process";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { getComments } from "@bufbuild/protoplugin";

/** @returns {import("@bufbuild/protobuf").FileRegistry} */
export function readContract() {
  const image = execFileSync("node_modules/.bin/buf", ["build", "-o", "-#format=binpb"], { maxBuffer: 1 << 26 });
  return createFileRegistry(fromBinary(FileDescriptorSetSchema, image));
}

/** The comment above a declaration, as one text with its paragraphs.
 * @param {Parameters<typeof getComments>[0]} declaration */
export function commentOf(declaration) {
  const lines = (getComments(declaration).leading ?? "").split("\n").map((line) => line.trim());
  return lines
    .join("\n")
    .trim()
    .split(/\n{2,}/)
    .map((paragraph) => paragraph.replaceAll("\n", " "))
    .join("\n\n");
}
