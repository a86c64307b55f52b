import {
  type DescField,
  type DescMethod,
  type DescMethodUnary,
  type DescService,
  getOption,
  hasOption,
  ScalarType,
} from "@bufbuild/protobuf";
import { http } from "@sello/gen/google/api/annotations_pb";
import type { HttpRule } from "@sello/gen/google/api/http_pb";
import { FRONT_ENVELOPE_FIELD, SESSION_ENVELOPE_FIELD } from "../rpc/sealing.ts";
import { parseTemplate, type Template } from "./path-template.ts";

/** A route that the contract declares. */
export type HttpRoute = {
  verb: Verb;
  path: string;
  template: Template;
  method: DescMethodUnary;
  /** Whether the message is read from the body, as JSON. Otherwise its fields stand in the query. */
  hasBody: boolean;
  /** What may stand in the query, by both of its names. */
  query: Map<string, DescField>;
};
export type Verb = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

const VERBS: Record<string, Verb> = { get: "GET", post: "POST", put: "PUT", patch: "PATCH", delete: "DELETE" };
const WITHOUT_BODY: Verb[] = ["GET", "DELETE"];
/** What can be written in a query without a doubt about what it says. */
const IN_QUERY = [ScalarType.STRING, ScalarType.BOOL, ScalarType.INT32];

/**
 * The routes of `google.api.http`, in a strict subset: each variable of a path is one segment and a field of text; GET and DELETE
 * have no body, and every other field, of text, number or truth, in the query; the other verbs have all in the body.
 * @throws Error for a rule beyond it, so that none is silently served otherwise than it reads.
 */
export function readHttpRoutes(services: DescService[]): HttpRoute[] {
  return services.flatMap((service) => service.methods).flatMap(routesOf);
}

function routesOf(method: DescMethod): HttpRoute[] {
  if (!hasOption(method, http)) return [];
  const rule = getOption(method, http);
  return [rule, ...rule.additionalBindings].map((binding) => toRoute(method, binding));
}

function toRoute(method: DescMethod, { pattern, body }: HttpRule): HttpRoute {
  const verb = VERBS[pattern.case ?? ""];
  const path = pattern.value;
  const template = typeof path === "string" ? parseTemplate(path) : undefined;
  if (!isUnary(method) || verb === undefined || typeof path !== "string" || template === undefined) {
    throw new Error(`${method.parent.typeName}/${method.name}: its HTTP rule is beyond what the mapper serves`);
  }
  const hasBody = !WITHOUT_BODY.includes(verb);
  if (body !== (hasBody ? "*" : "")) {
    throw new Error(
      `${method.parent.typeName}/${method.name}: a GET or a DELETE has no body, any other rule has body: "*"`,
    );
  }
  const query = new Map<string, DescField>();
  for (const field of fieldsBeside(method, template)) {
    if (hasBody) continue;
    if (!isScalar(field, IN_QUERY)) throw new Error(`${method.input.typeName}.${field.name} cannot stand in a query`);
    query.set(field.name, field).set(field.jsonName, field);
  }
  return { verb, path, template, method, hasBody, query };
}

/** The fields that the path does not hold, envelopes aside. @throws Error when the path names what is no field of text. */
function fieldsBeside({ input }: DescMethodUnary, { names }: Template): DescField[] {
  for (const name of names) {
    const field = input.fields.find((candidate) => candidate.name === name);
    if (field === undefined || !isScalar(field, [ScalarType.STRING])) {
      throw new Error(`${input.typeName} has no text ${name} for the path`);
    }
  }
  const envelopes = [FRONT_ENVELOPE_FIELD, SESSION_ENVELOPE_FIELD];
  return input.fields.filter(({ name, number }) => !names.includes(name) && !envelopes.includes(number));
}

function isScalar(field: DescField, types: ScalarType[]): boolean {
  return field.fieldKind === "scalar" && types.includes(field.scalar);
}

function isUnary(method: DescMethod): method is DescMethodUnary {
  return method.methodKind === "unary";
}

const WELL_KNOWN = "/.well-known/";

/** Where a path is served: behind the base path, except what RFC 8615 puts at the root. */
export function servedPath(path: string, basePath: string): string {
  return isWellKnown(path) ? path : basePath + path;
}

export function isWellKnown(path: string): boolean {
  return path.startsWith(WELL_KNOWN);
}
