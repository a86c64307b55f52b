import { type DescMethod, type DescMethodUnary, type DescService, getOption, hasOption } from "@bufbuild/protobuf";
import { http } from "@sello/gen/google/api/annotations_pb";
import type { HttpRule } from "@sello/gen/google/api/http_pb";

/** A route that the contract declares. */
export type HttpRoute = { verb: Verb; path: string; method: DescMethodUnary };
export type Verb = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

const VERBS: Record<string, Verb> = { get: "GET", post: "POST", put: "PUT", patch: "PATCH", delete: "DELETE" };
const LITERAL = /^(\/[a-z0-9._-]+)+$/;

/**
 * The routes of `google.api.http`, in a strict subset: literal paths, and the whole body or none.
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
  if (!isUnary(method) || verb === undefined || typeof path !== "string" || !LITERAL.test(path)) {
    throw new Error(`${method.parent.typeName}/${method.name}: its HTTP rule is beyond what the mapper serves`);
  }
  if ((verb === "GET") !== (body === "") || (body !== "" && body !== "*")) {
    throw new Error(`${method.parent.typeName}/${method.name}: a GET has no body, any other rule has body: "*"`);
  }
  return { verb, path, method };
}

function isUnary(method: DescMethod): method is DescMethodUnary {
  return method.methodKind === "unary";
}

const WELL_KNOWN = "/.well-known/";

/** Where a path is served: behind the base path, except what RFC 8615 puts at the root. */
export function servedPath(path: string, basePath: string): string {
  return path.startsWith(WELL_KNOWN) ? path : basePath + path;
}

/** The routes by the path where they are served, then by verb. */
export function servedRoutes(routes: HttpRoute[], basePath: string): Map<string, Map<string, HttpRoute>> {
  const served = new Map<string, Map<string, HttpRoute>>();
  for (const route of routes) {
    const path = servedPath(route.path, basePath);
    served.set(path, (served.get(path) ?? new Map()).set(route.verb, route));
  }
  return served;
}
