import { type HttpRoute, isWellKnown, servedPath, type Verb } from "./http-rules.ts";
import { matchTemplate, type Template } from "./path-template.ts";

/** What is served at a path: a route for each verb, and what the path's variables hold. */
export type RoutesAt = { byVerb: Map<Verb, HttpRoute>; variables: Record<string, string> };

export type Routes = {
  /** The paths as they are served, variables in braces. */
  paths: string[];
  /** Undefined where nothing is served. @throws AuthError `invalid_request` for a path that is not percent-encoded UTF-8. */
  find(path: string): RoutesAt | undefined;
  /** A path that is served, as the contract declares it. */
  withoutBase(path: string): string;
};

type Place = { template: Template; byVerb: Map<Verb, HttpRoute> };

/**
 * @throws Error for two routes of one verb at one path, and for two at one path that take a body: an envelope is bound to the path
 * alone, and would open at either.
 */
export function servedRoutes(routes: HttpRoute[], basePath: string): Routes {
  const places = new Map<string, Place>();
  for (const route of routes) {
    const path = servedPath(route.path, basePath);
    const place = places.get(path) ?? { template: templateOf(path, route), byVerb: new Map() };
    if (place.byVerb.has(route.verb)) throw new Error(`${route.verb} ${path} is declared twice`);
    if (route.hasBody && [...place.byVerb.values()].some(({ hasBody }) => hasBody)) {
      throw new Error(`${path} takes a body by more than one verb`);
    }
    place.byVerb.set(route.verb, route);
    places.set(path, place);
  }
  const literal = new Map([...places].filter(([, { template }]) => template.names.length === 0));
  const variable = [...places.values()].filter(({ template }) => template.names.length > 0);
  return {
    paths: [...places.keys()],
    find(path) {
      const exact = literal.get(path);
      if (exact !== undefined) return { byVerb: exact.byVerb, variables: {} };
      for (const { template, byVerb } of variable) {
        const variables = matchTemplate(template, path);
        if (variables !== undefined) return { byVerb, variables };
      }
      return undefined;
    },
    withoutBase: (path) => (isWellKnown(path) ? path : path.slice(basePath.length)),
  };
}

/** The base path may hold letters that no rule of the contract does. */
function templateOf(path: string, route: HttpRoute): Template {
  const { names, pattern } = route.template;
  const base = path.slice(0, path.length - route.path.length);
  const escaped = base.replaceAll(/[.]/g, "\\.");
  return { names, pattern: new RegExp(`^${escaped}${pattern.source.slice(1)}`) };
}

/** Whether a path without base is one that a rule of the contract declares. */
export function isDeclared(routes: HttpRoute[], path: string): boolean {
  return routes.some(({ template }) => template.pattern.test(path));
}
