import type { HttpResponse } from "./messages.ts";

/** What every answer carries, until a handler that knows better replaces it: nothing here is a page, nothing is to be kept. */
export const SECURITY_HEADERS: readonly [string, string][] = [
  ["cache-control", "no-store"],
  ["content-security-policy", "default-src 'none'; frame-ancestors 'none'"],
  ["cross-origin-resource-policy", "same-origin"],
  ["referrer-policy", "no-referrer"],
  ["x-content-type-options", "nosniff"],
  ["x-frame-options", "DENY"],
];
const HSTS: [string, string] = ["strict-transport-security", "max-age=63072000"];

export function createSecurityHeaders(options: { strictTransport: boolean }): (response: HttpResponse) => void {
  const headers = options.strictTransport ? [...SECURITY_HEADERS, HSTS] : SECURITY_HEADERS;
  return (response) => {
    for (const [name, value] of headers) response.setHeader(name, value);
  };
}
