import type { Edge } from "./edge.ts";

/** The refresh token as a cookie that no script can read: contract section 3. */
export type RefreshCookie = {
  /** The token of the request's cookie, where the origin and the content type of the call allow one. */
  read(edge: Edge, requestHeader: Headers): string | undefined;
  write(edge: Edge, responseHeader: Headers, token: string, maxAgeS: number): void;
  clear(edge: Edge, responseHeader: Headers): void;
};

type Form = { name: string; attributes: string };

const SECURE: Form = { name: "__Host-refresh", attributes: "HttpOnly; Secure; SameSite=Strict; Path=/" };
const PLAIN: Form = { name: "refresh", attributes: "HttpOnly; SameSite=Strict; Path=/" };

const LOCALHOST = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i;

/**
 * With `plainOnLocalhost` (plain HTTP, in development) a caller on this machine gets a cookie that its browser keeps; a
 * `__Host-` cookie it would not. Whoever calls by another name gets that one all the same.
 */
export function createRefreshCookie(options: { plainOnLocalhost: boolean }): RefreshCookie {
  const formFor = ({ authority }: Edge) => (options.plainOnLocalhost && LOCALHOST.test(authority) ? PLAIN : SECURE);
  return {
    read(edge, requestHeader) {
      if (!edge.cookieAllowed) return undefined;
      const { name } = formFor(edge);
      const pairs = (requestHeader.get("cookie") ?? "").split(/; */);
      const found = pairs.find((pair) => pair.startsWith(`${name}=`));
      return found?.slice(name.length + 1);
    },
    write(edge, responseHeader, token, maxAgeS) {
      const { name, attributes } = formFor(edge);
      responseHeader.append("Set-Cookie", `${name}=${token}; Max-Age=${maxAgeS}; ${attributes}`);
    },
    clear(edge, responseHeader) {
      const { name, attributes } = formFor(edge);
      responseHeader.append("Set-Cookie", `${name}=; Max-Age=0; ${attributes}`);
    },
  };
}
