// What dist/auth.js can do without: it speaks JSON, one answer to a call, and has no defaults of proto2. Functions of these
// modules throw there.
const leftOut = [
  "@bufbuild/protobuf/dist/esm/to-binary.js",
  "@bufbuild/protobuf/dist/esm/from-binary.js",
  "@bufbuild/protobuf/dist/esm/extensions.js",
  "@bufbuild/protobuf/dist/esm/wire/text-format.js",
  "@connectrpc/connect/dist/esm/protocol/envelope.js",
  "@connectrpc/connect/dist/esm/protocol/async-iterable.js",
  "@connectrpc/connect/dist/esm/protocol-connect/end-stream.js",
  "@connectrpc/connect/dist/esm/protocol-connect/get-request.js",
];

/** @param {string} path */
export function isLeftOut(path) {
  return leftOut.some((name) => path.replaceAll("\\", "/").endsWith(`/node_modules/${name}`));
}

/** The same exports, each a function that throws. @param {string} code */
export function withoutBodies(code) {
  const names = [...code.matchAll(/^export (?:async )?(?:function\*?|const) (\w+)/gm)].map(([, name]) => name);
  const exported = names.map((name) => `export const ${name} = leftOut;`);
  return [`const leftOut = () => { throw new Error("auth.js speaks unary JSON only"); };`, ...exported].join("\n");
}

/** TypeScript's enums in a form that a bundler can leave out when nobody uses them. @param {string} code */
export function withPureEnums(code) {
  const compiledEnum = /export var (\w+);\n\(function \(\1\) \{([\s\S]*?)\n\}\)\(\1 \|\| \(\1 = \{\}\)\);/g;
  return code.replace(compiledEnum, "export const $1 = /*@__PURE__*/ (($1) => {$2\nreturn $1;\n})({});");
}
