import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";

export type HttpRequest = IncomingMessage | Http2ServerRequest;
export type HttpResponse = ServerResponse | Http2ServerResponse;

/** A header that may come once; undefined when it is absent. */
export function headerOf(request: HttpRequest, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(", ") : value;
}

/** The headers for an RPC. HTTP/2's own (`:path`) are not headers to it. */
export function toHeaders(request: HttpRequest): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headers)) {
    if (name.startsWith(":") || value === undefined) continue;
    if (Array.isArray(value)) for (const item of value) headers.append(name, item);
    else headers.set(name, value);
  }
  return headers;
}

/** The headers of an RPC's answer for Node. Cookies stay apart: they cannot be joined. */
export function fromHeaders(headers: Headers): Record<string, string | string[]> {
  const members: Record<string, string | string[]> = {};
  for (const [name, value] of headers) members[name] = value;
  const cookies = headers.getSetCookie();
  return cookies.length > 0 ? { ...members, "set-cookie": cookies } : members;
}

/** The path of a request, without its query. */
export function pathOf(request: HttpRequest): string {
  const url = request.url ?? "";
  const query = url.indexOf("?");
  return query < 0 ? url : url.slice(0, query);
}

/** The media type of the body in lower case, without parameters; empty when there is none. */
export function mediaTypeOf(request: HttpRequest): string {
  return (headerOf(request, "content-type") ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

const JSON_TYPE = /^application\/json\s*(;\s*charset\s*=\s*("utf-?8"|utf-?8)\s*)?;?$/i;

/** Whether the body says that it is JSON, in UTF-8 as RFC 8259 wants it. */
export function isJson(request: HttpRequest): boolean {
  return JSON_TYPE.test((headerOf(request, "content-type") ?? "").trim());
}

/** Whether nobody waits for the response any more. */
export function isGone(response: HttpResponse): boolean {
  return "stream" in response ? response.stream.destroyed : response.destroyed;
}
