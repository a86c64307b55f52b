import { type HttpRequest, type HttpResponse, headerOf } from "./messages.ts";

/** Which pages may call, by the exact list of their origins. */
export type Cors = {
  isAllowed(origin: string | undefined): origin is string;
  /** Sets the headers of an answer. */
  mark(request: HttpRequest, response: HttpResponse): void;
  /** Whether the request asks for permission to make another (Fetch standard, CORS preflight). */
  isPreflight(request: HttpRequest): boolean;
};

const METHODS = "GET, POST, PUT, PATCH, DELETE";
const REQUEST_HEADERS = [
  "Authorization",
  "Content-Type",
  "X-Request-Id",
  "Connect-Protocol-Version",
  "Connect-Timeout-Ms",
  "Grpc-Timeout",
  "X-Grpc-Web",
  "X-User-Agent",
].join(", ");
const EXPOSED_HEADERS = [
  "Date",
  "ETag",
  "Retry-After",
  "RateLimit-Limit",
  "RateLimit-Remaining",
  "RateLimit-Reset",
  "WWW-Authenticate",
  "X-Request-Id",
  "Grpc-Status",
  "Grpc-Message",
  "Grpc-Status-Details-Bin",
].join(", ");
const MAX_AGE_S = "7200";

export function createCors(origins: string[]): Cors {
  const allowed = new Set(origins);
  const isAllowed = (origin: string | undefined): origin is string => origin !== undefined && allowed.has(origin);
  return {
    isAllowed,
    mark(request, response) {
      response.setHeader("vary", "Origin");
      const origin = headerOf(request, "origin");
      if (!isAllowed(origin)) return;
      response.setHeader("access-control-allow-origin", origin);
      response.setHeader("access-control-allow-credentials", "true");
      if (request.method === "OPTIONS") {
        response.setHeader("access-control-allow-methods", METHODS);
        response.setHeader("access-control-allow-headers", REQUEST_HEADERS);
        response.setHeader("access-control-max-age", MAX_AGE_S);
      } else response.setHeader("access-control-expose-headers", EXPOSED_HEADERS);
    },
    isPreflight: (request) =>
      request.method === "OPTIONS" && headerOf(request, "access-control-request-method") !== undefined,
  };
}
