import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";

/** RFC 3986 `host [ ":" port ]` by its characters; what they mean is left to the URL parser. */
const AUTHORITY = /^(?:\[[0-9a-f:.]+\]|[\w.~%!$&'()*+,;=-]+)(?::\d{1,5})?$/i;

/** `http://host/path?query`: what a client sends to a proxy, and any server must understand (RFC 9112, 3.2.2). */
const ABSOLUTE_FORM = /^https?:\/\/([^/?#\\]*)(\/[^#]*|\?[^#]*)?$/i;

/**
 * Whether the request says which resource it wants, so that `new URL(req.url, "http://" + host)` cannot throw nor
 * leave that host. Afterwards `req.url` is a path with its query, or `*` of an OPTIONS request, and `host` (`authority`
 * on HTTP/2) is there: an HTTP/1.0 request may omit it and is taken to be for `localhost`.
 */
export function readTarget(req: IncomingMessage | Http2ServerRequest): boolean {
  return "stream" in req ? readHttp2Target(req) : readHttp1Target(req);
}

function readHttp2Target(req: Http2ServerRequest): boolean {
  const { ":authority": authority, host } = req.headers;
  // RFC 9113, 8.3.1: a `host` that differs from `:authority` makes the request malformed.
  if (authority !== undefined && host !== undefined && authority !== host) return false;
  return isAuthority(authority ?? host ?? "") && isTargetOf(req.method, req.url);
}

function readHttp1Target(req: IncomingMessage): boolean {
  const hosts = countHosts(req.rawHeaders);
  if (hosts > 1 || (hosts === 0 && req.httpVersion !== "1.0")) return false;
  if (hosts === 0) req.headers.host = "localhost";
  if (!isAuthority(req.headers.host ?? "")) return false;

  const absolute = req.url?.startsWith("/") ? null : ABSOLUTE_FORM.exec(req.url ?? "");
  if (absolute !== null) {
    const [, authority = "", path = "/"] = absolute;
    if (!isAuthority(authority)) return false;
    req.headers.host = authority;
    req.url = path.startsWith("/") ? path : `/${path}`;
  }
  return isTargetOf(req.method, req.url);
}

function countHosts(rawHeaders: readonly string[]): number {
  let count = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i];
    if (name !== undefined && name.length === 4 && name.toLowerCase() === "host") count++;
  }
  return count;
}

let lastAuthority = "";

/** Nearly every request names the host that the one before it named. */
function isAuthority(text: string): boolean {
  if (text === lastAuthority && text !== "") return true;
  const isValid = AUTHORITY.test(text) && URL.canParse(`http://${text}/`);
  if (isValid) lastAuthority = text;
  return isValid;
}

/** A path that begins with two slashes would be read as another host by whoever resolves it against ours. */
function isTargetOf(method: string | undefined, target: string | undefined): boolean {
  if (target === "*") return method === "OPTIONS";
  return target !== undefined && /^\/(?![/\\])/.test(target);
}
