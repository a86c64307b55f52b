import { type HttpRequest, headerOf } from "./messages.ts";

/** Whether the client has this version already (RFC 9110 section 13.1.2): a list, compared weakly, since proxies weaken tags. */
export function isNotModified(request: HttpRequest, etag: string | undefined): boolean {
  const wanted = headerOf(request, "if-none-match");
  if (wanted === undefined || etag === undefined) return false;
  return wanted.split(",").some((tag) => tag.trim() === "*" || tag.trim().replace(/^W\//, "") === etag);
}
