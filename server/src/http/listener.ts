import { type ContextValues, createContextValues } from "@connectrpc/connect";
import { AuthError } from "../domain/errors.ts";
import { edgeKey } from "../rpc/edge.ts";
import type { ServedRpc } from "../rpc/procedures.ts";
import type { Ids } from "../service/ports.ts";
import type { Bodies } from "./body.ts";
import type { ClientAddress } from "./client-address.ts";
import type { ClientCertificate } from "./client-certificate.ts";
import type { Cors } from "./cors.ts";
import type { Verb } from "./http-rules.ts";
import { type HttpRequest, type HttpResponse, headerOf, mediaTypeOf, pathOf } from "./messages.ts";
import type { RequestListener } from "./one-port.ts";
import type { OperationsPage } from "./operations.ts";
import { REQUEST_ID_HEADER } from "./raw-errors.ts";
import { respondError } from "./respond.ts";
import type { RestHandler } from "./rest.ts";
import type { Routes } from "./routes.ts";
import { serveRpc } from "./rpc-paths.ts";

export type ListenerOptions = {
  rpcs: Map<string, ServedRpc>;
  routes: Routes;
  operations: Map<string, OperationsPage>;
  rest: RestHandler;
  cors: Cors;
  clientAddress: ClientAddress;
  clientCertificate: ClientCertificate;
  setSecurityHeaders(response: HttpResponse): void;
  bodies: Bodies;
  bodyLimitBytes: number;
  ids: Ids;
};

/** The road of a request from the socket to its handler. What none of them answers is `not_found`, in the contract's shape. */
export function createListener(options: ListenerOptions): RequestListener {
  return async (request, response) => {
    const requestId = requestIdOf(request, options.ids);
    response.setHeader(REQUEST_ID_HEADER, requestId);
    options.setSecurityHeaders(response);
    options.cors.mark(request, response);
    if (options.cors.isPreflight(request)) {
      response.statusCode = 204;
      response.end();
      return;
    }
    try {
      await dispatch(options, { request, response, requestId });
    } catch (error) {
      if (!(error instanceof AuthError) || response.headersSent) throw error;
      respondError(request, response, error);
    }
  };
}

type Exchange = { request: HttpRequest; response: HttpResponse; requestId: string };

async function dispatch(options: ListenerOptions, exchange: Exchange): Promise<void> {
  const { request, response } = exchange;
  const path = pathOf(request);
  const rpc = options.rpcs.get(path);
  if (rpc !== undefined) {
    allow(response, request.method, rpc.handler.allowedMethods);
    const contextValues = edgeValues(options, exchange, { binding: path, protocol: protocolOf(request) });
    const { bodies, bodyLimitBytes } = options;
    await serveRpc(request, response, { rpc, path, contextValues, bodies, bodyLimitBytes });
    return;
  }
  const verb = request.method === "HEAD" ? "GET" : (request.method ?? "");
  const routes = options.routes.find(path);
  if (routes !== undefined) {
    allow(response, verb, withHead([...routes.byVerb.keys()]));
    const route = routes.byVerb.get(verb as Verb);
    if (route === undefined) throw new AuthError("method_not_allowed");
    const contextValues = edgeValues(options, exchange, {
      binding: options.routes.withoutBase(path),
      protocol: "http",
    });
    await options.rest(request, response, { route, variables: routes.variables, contextValues });
    return;
  }
  const page = options.operations.get(path);
  if (page === undefined) throw new AuthError("not_found");
  allow(response, verb, withHead(["GET"]));
  await page(response, request);
}

/** @throws AuthError `method_not_allowed`, with `Allow` set (RFC 9110 section 15.5.6). */
function allow(response: HttpResponse, verb: string | undefined, allowed: readonly string[]): void {
  if (verb !== undefined && allowed.includes(verb)) return;
  response.setHeader("allow", allowed.join(", "));
  throw new AuthError("method_not_allowed");
}

function withHead(verbs: string[]): string[] {
  return verbs.flatMap((verb) => (verb === "GET" ? ["GET", "HEAD"] : [verb]));
}

function edgeValues(
  options: ListenerOptions,
  { request, requestId }: Exchange,
  call: { binding: string; protocol: string },
): ContextValues {
  const origin = headerOf(request, "origin");
  return createContextValues().set(edgeKey, {
    ...call,
    authority: headerOf(request, ":authority") ?? headerOf(request, "host") ?? "",
    client: { ip: options.clientAddress(request), userAgent: userAgentOf(request), requestId },
    cookieAllowed: options.cors.isAllowed(origin) && COOKIE_TYPES.test(mediaTypeOf(request)),
    reached: false,
    bearer: undefined,
    clientCertificate: options.clientCertificate(request),
  });
}

/** JSON and Connect: types that no form and no image of another site can send without asking. */
const COOKIE_TYPES = /^application\/(json|proto|connect\+(json|proto))$/;

const PROTOCOLS: [RegExp, string][] = [
  [/^application\/grpc-web/, "grpc-web"],
  [/^application\/grpc/, "grpc"],
];

function protocolOf(request: HttpRequest): string {
  const type = mediaTypeOf(request);
  return PROTOCOLS.find(([pattern]) => pattern.test(type))?.[1] ?? "connect";
}

const REQUEST_ID = /^[A-Za-z0-9._-]{8,64}$/;

/** The caller's own id, where it is harmless in a log and a header. */
function requestIdOf(request: HttpRequest, ids: Ids): string {
  const sent = headerOf(request, REQUEST_ID_HEADER);
  return sent !== undefined && REQUEST_ID.test(sent) ? sent : ids.uuid();
}

const MAX_USER_AGENT = 256;

/** Bytes that are no text would be refused by the database. */
function userAgentOf(request: HttpRequest): string {
  return (headerOf(request, "user-agent") ?? "").slice(0, MAX_USER_AGENT).replaceAll(/[^\x20-\x7e]/g, "?");
}
