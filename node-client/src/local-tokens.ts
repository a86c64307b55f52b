import { decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from "jose";
import type { Validated } from "./authority.ts";
import { AuthError } from "./errors.ts";
import type { KeySet } from "./key-set.ts";

export type LocalTokenOptions = {
  /** The server's `ISSUER`. */
  issuer: string;
  /** The server's `AUDIENCE`. */
  audience: string;
};

/** Access tokens that are signed and not encrypted, read without asking the server. */
export type LocalTokens = {
  /**
   * What a token says that is in order, whether or not its session is over; undefined for an encrypted one, which only the server
   * can read. @throws AuthError `token_invalid`, `token_expired`, `unavailable`.
   */
  verify(token: string): Promise<{ validated: Validated; issuedAtS: number } | undefined>;
};

/** RFC 9068 section 2.1. */
const TYP = "at+jwt";
const CLOCK_SKEW_S = 30;
const REQUIRED = ["iss", "aud", "sub", "sid", "jti", "iat", "nbf", "exp", "roles", "permissions", "username"];

export function createLocalTokens(deps: LocalTokenOptions & { keys: KeySet; nowMs: () => number }): LocalTokens {
  const { issuer, audience, keys, nowMs } = deps;

  async function read(token: string): Promise<JWTPayload> {
    const kid = kidOf(token);
    const found = kid === undefined ? undefined : await keys.find(kid);
    if (found === undefined) throw new AuthError("token_invalid");
    const { payload } = await jwtVerify(token, found.key, {
      algorithms: [found.alg],
      typ: TYP,
      issuer,
      audience,
      requiredClaims: REQUIRED,
      clockTolerance: CLOCK_SKEW_S,
      currentDate: new Date(nowMs()),
    });
    return payload;
  }

  return {
    async verify(token) {
      if (token.split(".").length !== 3) return undefined;
      try {
        return readClaims(await read(token), { audience, nowS: nowMs() / 1000 });
      } catch (error) {
        if (error instanceof AuthError) throw error;
        throw new AuthError(error instanceof errors.JWTExpired ? "token_expired" : "token_invalid", { cause: error });
      }
    },
  };
}

/** The header may hold `alg`, `typ` and `kid` alone, so that no `crit`, `jku` or `jwk` is ever looked at. */
function kidOf(token: string): string | undefined {
  const { alg, typ, kid, ...rest } = decodeProtectedHeader(token);
  const isOurs = typeof alg === "string" && typ === TYP && typeof kid === "string" && Object.keys(rest).length === 0;
  return isOurs ? kid : undefined;
}

/** Every claim has its own type: jose takes an object as `sub`, a list as `aud` and an `iat` of tomorrow. */
function readClaims(claims: JWTPayload, { audience, nowS }: { audience: string; nowS: number }) {
  const { sub: id, aud, sid, iat, exp, username, roles, permissions } = claims;
  if (!isText(id) || !isText(sid) || !isText(username) || aud !== audience) throw new AuthError("token_invalid");
  if (!isTexts(roles) || !isTexts(permissions)) throw new AuthError("token_invalid");
  if (iat === undefined || exp === undefined || iat > nowS + CLOCK_SKEW_S) throw new AuthError("token_invalid");
  const user = { id, username, roles, permissions };
  return { validated: { user, sessionId: sid, expiresAt: new Date(exp * 1000) }, issuedAtS: iat };
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.length > 0;
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
