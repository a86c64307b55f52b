import { createHash } from "node:crypto";
import { LRUCache } from "lru-cache";
import type { Authority, Validated } from "./authority.ts";
import { AuthError } from "./errors.ts";
import type { LocalTokens } from "./local-tokens.ts";
import { createRevocationWatch, type RevocationWatch } from "./revocation-watch.ts";

export type ValidateOptions = {
  authority: Authority;
  local: LocalTokens | undefined;
  nowMs: () => number;
  cache: CacheOptions;
  onLost: (error: AuthError) => void;
};

export type CacheOptions = {
  /** How many tokens are remembered. Default: 10,000. */
  tokens?: number;
  /** For how long at most, in milliseconds, while the server tells of revocations; roles and permissions that change it tells of. Default: 30,000. */
  lifeMs?: number;
  /** The same while it does not. Default: 1,000. */
  unwatchedLifeMs?: number;
};

export type Validate = {
  /** Who holds this token. @throws AuthError `token_invalid`, `token_expired`, `token_revoked`, `unavailable`. */
  validate(token: string): Promise<Validated>;
  /** How many tokens are remembered. */
  readonly size: number;
  readonly watch: RevocationWatch;
};

type Entry = { validated: Validated; untilMs: number };

const MAX_LENGTH = 16 * 1024;
const COMPACT = /^[\w-]+(\.[\w-]+){2}((\.[\w-]*){2})?$/;

/**
 * Remembers who holds which token, by the token's hash. A session that ends takes its tokens along, and a user who changes; when
 * nobody tells any more, everything is forgotten, and what is asked then is remembered for a moment only.
 */
export function createValidate({ authority, local, nowMs, cache, onLost }: ValidateOptions): Validate {
  const { tokens: max = 10_000, lifeMs = 30_000, unwatchedLifeMs = 1_000 } = cache;
  const remembered = new LRUCache<string, Entry>({ max });
  const inFlight = new Map<string, Promise<Validated>>();
  const watch = createRevocationWatch({
    authority,
    nowMs,
    onEnded(sessionIds) {
      const ended = new Set(sessionIds);
      for (const [hash, { validated }] of remembered.entries()) {
        if (ended.has(validated.sessionId)) remembered.delete(hash);
      }
    },
    onChanged(userIds) {
      if (userIds === undefined) return remembered.clear();
      const changed = new Set(userIds);
      for (const [hash, { validated }] of remembered.entries()) {
        if (changed.has(validated.user.id)) remembered.delete(hash);
      }
    },
    onLost(error) {
      remembered.clear();
      onLost(error);
    },
  });

  async function resolve(token: string): Promise<Validated> {
    if (local === undefined || watch.stretch === undefined) return authority.validateToken(token);
    const found = await local.verify(token);
    // Whether an older session is over only the server knows.
    return found !== undefined && watch.covers(found.issuedAtS, found.validated.user.id)
      ? found.validated
      : authority.validateToken(token);
  }

  async function ask(hash: string, token: string): Promise<Validated> {
    const { stretch, changes } = watch;
    const validated = freeze(await resolve(token));
    // The session may have ended after the server looked, and the word of it may be here already.
    if (watch.hasEnded(validated.sessionId)) throw new AuthError("token_revoked");
    // What it says of the user may be of before a change that is known here already: good for this call, which began before, alone.
    if (watch.hasChangedSince(validated.user.id, changes)) return validated;
    const watched = stretch !== undefined && stretch === watch.stretch;
    const untilMs = Math.min(validated.expiresAt.getTime(), nowMs() + (watched ? lifeMs : unwatchedLifeMs));
    remembered.set(hash, { validated, untilMs });
    return validated;
  }

  return {
    async validate(token) {
      if (typeof token !== "string" || token.length > MAX_LENGTH || !COMPACT.test(token)) {
        throw new AuthError("token_invalid");
      }
      const hash = createHash("sha256").update(token).digest("base64");
      const entry = remembered.get(hash);
      if (entry !== undefined && entry.untilMs > nowMs()) return entry.validated;
      const asked = inFlight.get(hash) ?? ask(hash, token).finally(() => inFlight.delete(hash));
      inFlight.set(hash, asked);
      return asked;
    },
    get size() {
      return remembered.size;
    },
    watch,
  };
}

/** One object serves many requests: none may change it for the others. */
function freeze({ user, sessionId, expiresAt }: Validated): Validated {
  const roles = Object.freeze([...user.roles]);
  const permissions = Object.freeze([...user.permissions]);
  return Object.freeze({ user: Object.freeze({ ...user, roles, permissions }), sessionId, expiresAt });
}
