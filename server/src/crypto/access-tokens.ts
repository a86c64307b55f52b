import { createHash, randomBytes } from "node:crypto";
import { LRUCache } from "lru-cache";
import { AuthError } from "../domain/errors.ts";
import type { User } from "../domain/user.ts";
import type { Clock } from "../service/ports.ts";
import type { AccessClaims, AccessTokens } from "../service/token-ports.ts";
import { decryptCompact, encryptCompact } from "./jwe.ts";
import { type Signer, signCompact, verifyCompact } from "./jws.ts";
import type { KeyRing } from "./key-ring.ts";

/** RFC 9068 section 2.1. */
const TYP = "at+jwt";
const MAX_LENGTH = 16 * 1024;
const CLOCK_SKEW_S = 30;
const CACHED_TOKENS = 10_000;
const COMPACT = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*){2,4}$/;

/** What a token is made and read with. Who signs may be elsewhere. */
export type AccessTokenKeys = Omit<KeyRing, "signer"> & { signer(): Signer };
export type AccessTokenSettings = { issuer: string; audience: string; ttlS: number; nested: boolean };
type Verified = { claims: AccessClaims; notBeforeS: number; expiresS: number };

/**
 * Access tokens: a signed JWT (RFC 9068) inside an encrypted one (RFC 7519 section 5.2), or the signed one alone when
 * `nested` is false. A token that was verified before is remembered by its hash until a key changes; its times are
 * looked at each time, and who revokes it is asked elsewhere, by session.
 */
export function createAccessTokens(deps: {
  keys: AccessTokenKeys;
  clock: Clock;
  settings: AccessTokenSettings;
}): AccessTokens {
  const { keys, clock, settings } = deps;
  const seen = new LRUCache<string, Verified>({ max: CACHED_TOKENS });
  keys.onChange(() => seen.clear());

  async function openToken(token: string): Promise<Verified | undefined> {
    if (token.length > MAX_LENGTH || !COMPACT.test(token)) return undefined;
    const hash = createHash("sha256").update(token).digest("base64");
    const known = seen.get(hash);
    if (known !== undefined) return known;
    const ring = keys.version;
    const jws = settings.nested ? await decryptCompact(keys.findDecrypter, token) : token;
    const payload = jws === undefined ? undefined : verifyCompact(keys.findVerifier, TYP, jws);
    const verified = payload === undefined ? undefined : readClaims(payload, settings);
    if (verified !== undefined && ring === keys.version) seen.set(hash, verified);
    return verified;
  }

  return {
    async issue(user, session) {
      const now = Math.floor(clock.now().getTime() / 1000);
      const payload = JSON.stringify(claimsOf(user, session, now, settings));
      const jws = await signCompact(keys.signer(), TYP, payload);
      return settings.nested ? encryptCompact(keys.encrypter(), jws) : jws;
    },

    async verify(token) {
      const verified = await openToken(token);
      const now = clock.now().getTime() / 1000;
      if (verified === undefined || verified.notBeforeS > now + CLOCK_SKEW_S) throw new AuthError("token_invalid");
      if (verified.expiresS + CLOCK_SKEW_S <= now) throw new AuthError("token_expired");
      return verified.claims;
    },

    async read(token) {
      return (await openToken(token))?.claims;
    },
  };
}

type IssuedFor = Parameters<AccessTokens["issue"]>[1];

function claimsOf(user: User, session: IssuedFor, now: number, settings: AccessTokenSettings) {
  return {
    iss: settings.issuer,
    aud: settings.audience,
    sub: user.id,
    sid: session.id,
    jti: randomBytes(16).toString("base64url"),
    iat: now,
    nbf: now,
    exp: now + settings.ttlS,
    auth_time: Math.floor(session.authenticatedAt.getTime() / 1000),
    roles: user.roles,
    permissions: user.permissions,
    username: user.username,
  };
}

/** Every claim is required and has its own type: `sub` as an object or a missing `exp` is no token of ours. */
function readClaims(payload: Buffer, settings: AccessTokenSettings): Verified | undefined {
  const claims = parseObject(payload);
  if (claims === undefined) return undefined;
  const { sub, sid, jti, iat, nbf, exp, username, roles, permissions } = claims;
  if (claims["iss"] !== settings.issuer || claims["aud"] !== settings.audience) return undefined;
  if (!isId(sub) || !isId(sid) || typeof jti !== "string" || jti.length === 0) return undefined;
  if (typeof username !== "string" || !isTexts(roles) || !isTexts(permissions)) return undefined;
  if (!isTime(iat) || !isTime(nbf) || !isTime(exp)) return undefined;
  return {
    claims: { userId: sub, sessionId: sid, jti, expiresAt: new Date(exp * 1000), username, roles, permissions },
    notBeforeS: Math.max(nbf, iat),
    expiresS: exp,
  };
}

function parseObject(json: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(json.toString("utf8"));
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function isId(value: unknown): value is string {
  return typeof value === "string" && UUID.test(value);
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value);
}
