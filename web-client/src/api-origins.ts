import { AuthError } from "./errors.ts";

/** Refuses an address that gets no token, with `invalid_request`, before anything is sent there. */
export type CheckOrigin = (url: URL) => void;

/** The origins that calls with the token may go to: the page's own, the server's, and those that the developer names. */
export function createCheckOrigin(baseUrl: string, apiOrigins: readonly string[]): CheckOrigin {
  const allowed = new Set([globalThis.location?.origin, new URL(baseUrl).origin, ...apiOrigins]);
  return ({ protocol, origin }) => {
    // Whatever is not HTTP has the origin "null", as a sandboxed page has, or hides another's behind its own.
    if (/^https?:$/.test(protocol) && allowed.has(origin)) return;
    const message = `Calls to ${origin} are not allowed. Name it in apiOrigins if it may have your users' tokens.`;
    throw new AuthError("invalid_request", message);
  };
}
