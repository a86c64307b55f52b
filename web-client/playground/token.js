import { bytesOf, parse } from "./wire.js";

/** What a browser can read of an access token: the header of its outer layer. The claims are sealed for the services. */
export function readToken(token) {
  const parts = token.split(".");
  const header = parse(new TextDecoder().decode(bytesOf(parts[0])));
  return { header, isSealed: parts.length === 5, length: token.length };
}

/** The tokens of an answer, whichever names its members have; undefined when it carries none. */
export function grantOf(answer) {
  const token = answer?.access_token ?? answer?.accessToken;
  if (token === undefined) return undefined;
  return {
    token,
    refreshToken: answer.refresh_token ?? answer.refreshToken,
    expiresInS: answer.expires_in ?? answer.expiresIn,
  };
}
