import type { Edge } from "./edge.ts";

/** The refresh token as a cookie that no script can read: contract section 3. */
export type RefreshCookie = {
  /** The token of the request's cookie, where the origin and the content type of the call allow one. */
  read(edge: Edge, requestHeader: Headers): string | undefined;
  write(responseHeader: Headers, token: string, maxAgeS: number): void;
  clear(responseHeader: Headers): void;
};

/** Without `secure` (plain HTTP on localhost, in development) a browser would not keep a `__Host-` cookie. */
export function createRefreshCookie(options: { secure: boolean }): RefreshCookie {
  const name = options.secure ? "__Host-refresh" : "refresh";
  const attributes = `HttpOnly; ${options.secure ? "Secure; " : ""}SameSite=Strict; Path=/`;
  return {
    read(edge, requestHeader) {
      if (!edge.cookieAllowed) return undefined;
      const pairs = (requestHeader.get("cookie") ?? "").split(/; */);
      const found = pairs.find((pair) => pair.startsWith(`${name}=`));
      return found?.slice(name.length + 1);
    },
    write(responseHeader, token, maxAgeS) {
      responseHeader.append("Set-Cookie", `${name}=${token}; Max-Age=${maxAgeS}; ${attributes}`);
    },
    clear(responseHeader) {
      responseHeader.append("Set-Cookie", `${name}=; Max-Age=0; ${attributes}`);
    },
  };
}
