// Builds the OpenAPI 3.1 document of the plain HTTP/JSON routes from the contract.
import { getOption, hasOption, ScalarType } from "@bufbuild/protobuf";
import { commentOf } from "./contract.mjs";

/** @typedef {import("@bufbuild/protobuf").DescMessage} DescMessage */
/** @typedef {import("@bufbuild/protobuf").DescField} DescField */
/** @typedef {import("@bufbuild/protobuf").DescMethod} DescMethod */
/** @typedef {{ http: any, access: any, permission: any, successStatus: any, reasons: { code: string, status: number, text: string }[] }} Options */

const ACCESS_BEARER = 2;
/** As protobuf's JSON writes them: integers of 64 bits are text, and floating point may be too. */
const INTEGER_TEXT = { type: "string", pattern: "^-?[0-9]+$" };
const FLOATING = { anyOf: [{ type: "number" }, { enum: ["NaN", "Infinity", "-Infinity"] }] };
const UNSIGNED = { type: "integer", minimum: 0, maximum: 2 ** 32 - 1 };
/** @type {Record<ScalarType, object>} */
const SCALARS = {
  [ScalarType.STRING]: { type: "string" },
  [ScalarType.BYTES]: { type: "string", contentEncoding: "base64" },
  [ScalarType.BOOL]: { type: "boolean" },
  [ScalarType.INT32]: { type: "integer", format: "int32" },
  [ScalarType.SINT32]: { type: "integer", format: "int32" },
  [ScalarType.SFIXED32]: { type: "integer", format: "int32" },
  [ScalarType.UINT32]: UNSIGNED,
  [ScalarType.FIXED32]: UNSIGNED,
  [ScalarType.INT64]: INTEGER_TEXT,
  [ScalarType.SINT64]: INTEGER_TEXT,
  [ScalarType.SFIXED64]: INTEGER_TEXT,
  [ScalarType.UINT64]: INTEGER_TEXT,
  [ScalarType.FIXED64]: INTEGER_TEXT,
  [ScalarType.DOUBLE]: FLOATING,
  [ScalarType.FLOAT]: FLOATING,
};
/** Messages that protobuf's JSON writes in a form of their own. @type {Record<string, object>} */
const WELL_KNOWN = {
  "google.protobuf.Timestamp": { type: "string", format: "date-time" },
  "google.protobuf.Duration": { type: "string", pattern: "^-?[0-9]+([.][0-9]+)?s$" },
  "google.protobuf.FieldMask": { type: "string" },
  "google.protobuf.Empty": { type: "object" },
  "google.protobuf.Struct": { type: "object" },
  "google.protobuf.Value": {},
  "google.protobuf.ListValue": { type: "array" },
  "google.protobuf.StringValue": SCALARS[ScalarType.STRING],
  "google.protobuf.BytesValue": SCALARS[ScalarType.BYTES],
  "google.protobuf.BoolValue": SCALARS[ScalarType.BOOL],
  "google.protobuf.Int32Value": SCALARS[ScalarType.INT32],
  "google.protobuf.UInt32Value": SCALARS[ScalarType.UINT32],
  "google.protobuf.Int64Value": SCALARS[ScalarType.INT64],
  "google.protobuf.UInt64Value": SCALARS[ScalarType.UINT64],
  "google.protobuf.DoubleValue": SCALARS[ScalarType.DOUBLE],
  "google.protobuf.FloatValue": SCALARS[ScalarType.FLOAT],
};

/** @param {import("@bufbuild/protobuf").DescService[]} services @param {Options} options */
export function buildOpenApi(services, options) {
  /** @type {Record<string, object>} */
  const schemas = { Error: errorSchema(options) };
  /** @type {Record<string, Record<string, object>>} */
  const paths = {};
  for (const method of services.flatMap((service) => service.methods)) {
    if (!hasOption(method, options.http)) continue;
    const rule = getOption(method, options.http);
    for (const [index, { pattern, body }] of [rule, ...rule.additionalBindings].entries()) {
      const binding = { path: pattern.value, hasBody: body !== "" };
      const operation = describeOperation(method, { options, schemas, binding, alias: index > 0 });
      paths[pattern.value] = { ...paths[pattern.value], [pattern.case]: operation };
    }
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Sello",
      version: "1",
      description:
        "The plain HTTP/JSON routes. The same operations answer gRPC, gRPC-Web and Connect on the same port.",
    },
    paths,
    components: {
      schemas,
      securitySchemes: { bearer: { type: "http", scheme: "bearer" } },
    },
  };
}

/** @typedef {{ path: string, hasBody: boolean }} Binding */

/** @param {DescMethod} method
 * @param {{ options: Options, schemas: Record<string, object>, binding: Binding, alias: boolean }} context */
function describeOperation(method, { options, schemas, binding, alias }) {
  const [, summary, description] = /^(.*?\.)(?:\s+(.*))?$/s.exec(commentOf(method)) ?? [];
  const bearer = getOption(method, options.access) === ACCESS_BEARER;
  const status = hasOption(method, options.successStatus) ? getOption(method, options.successStatus) : 200;
  const needed = getOption(method, options.permission);
  const permission = needed === "" ? undefined : `Needs the permission \`${needed}\`.`;
  const text = [description, permission].filter((part) => part !== undefined).join("\n\n");
  const parameters = describeParameters(method.input, binding);
  return {
    operationId: alias ? `${method.name}Alias` : method.name,
    tags: [method.parent.typeName],
    summary,
    ...(text !== "" && { description: text }),
    ...(bearer && { security: [{ bearer: [] }] }),
    ...(parameters.length > 0 && { parameters }),
    ...(binding.hasBody && { requestBody: { required: true, content: jsonOf(method.input, schemas) } }),
    responses: {
      [status]: { description: "Success.", content: jsonOf(method.output, schemas) },
      default: {
        description: "The call is refused.",
        content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
      },
    },
  };
}

/** What stands in the path, and, where there is no body, in the query. @param {DescMessage} input @param {Binding} binding */
function describeParameters({ fields }, { path, hasBody }) {
  const inPath = new Set([...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name));
  return fields.flatMap((field) => {
    if (field.fieldKind !== "scalar" || (hasBody && !inPath.has(field.name))) return [];
    const parameter = { name: field.name, description: commentOf(field), schema: SCALARS[field.scalar] };
    return [inPath.has(field.name) ? { in: "path", required: true, ...parameter } : { in: "query", ...parameter }];
  });
}

/** @param {DescMessage} message @param {Record<string, object>} schemas */
function jsonOf(message, schemas) {
  return { "application/json": { schema: referTo(message, schemas) } };
}

/** @param {DescMessage} message @param {Record<string, object>} schemas */
function referTo(message, schemas) {
  const wellKnown = WELL_KNOWN[message.typeName];
  if (wellKnown !== undefined) return wellKnown;
  if (!(message.typeName in schemas)) {
    /** @type {Record<string, object>} */
    const properties = {};
    schemas[message.typeName] = { type: "object", description: commentOf(message), properties };
    for (const field of message.fields) properties[memberName(field)] = describeField(field, schemas);
  }
  return { $ref: `#/components/schemas/${message.typeName}` };
}

/** Proto field names, except where the contract names the member itself. @param {DescField} field */
function memberName(field) {
  return field.jsonName.startsWith("__") ? field.jsonName : field.name;
}

/** @param {DescField} field @param {Record<string, object>} schemas */
function describeField(field, schemas) {
  const description = commentOf(field);
  /** One value of the field. */
  const value = () => {
    if (field.message !== undefined) return referTo(field.message, schemas);
    if (field.enum !== undefined) return { enum: field.enum.values.map(({ name }) => name) };
    return SCALARS[/** @type {ScalarType} */ (field.scalar)];
  };
  if (field.fieldKind === "list") return { type: "array", items: value(), description };
  if (field.fieldKind === "map") return { type: "object", additionalProperties: value(), description };
  return { ...value(), description };
}

/** @param {Options} options */
function errorSchema({ reasons }) {
  return {
    type: "object",
    required: ["error"],
    properties: {
      error: {
        type: "object",
        required: ["code", "message"],
        properties: {
          code: {
            enum: reasons.map(({ code }) => code),
            description: reasons.map(({ code, status, text }) => `- \`${code}\` (${status}): ${text}`).join("\n"),
          },
          message: { type: "string", description: "For people. Never parse it." },
        },
      },
    },
  };
}
