import { randomBytes, randomUUID } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type ProtectedData, ProtectedDataSchema } from "@sello/gen/userdata/v1/userdata_pb";
import { type Auth, createAuthOn } from "./auth.ts";
import { type Authority, NO_NEWS, type User, type Validated } from "./authority.ts";
import { AuthError } from "./errors.ts";
import { createTestEnvelopes, type TestSeal } from "./test-envelopes.ts";
import { createTestKms } from "./test-kms.ts";

/** Who is to be pretended. What is left out is made up. */
export type TestUser = { id?: string; username?: string; roles?: string[]; permissions?: string[] };

/** Stands in for a server in the tests of a back end: no network, no clock to wait for, nothing to install. */
export type TestIssuer = AsyncDisposable & {
  /** What `createAuth` returns, for this issuer's tokens, envelopes and keys. It remembers no token: each is looked up anew. */
  auth: Auth;
  /** An access token of a new session. `expiresInS` may be negative, for one that is over. Default: 900. */
  issue(user?: TestUser, options?: { expiresInS?: number }): string;
  /** What `protectedData` says of a user; it is empty for one who was issued a token, and `not_found` for others. */
  setProtectedData(userId: string, data: MessageInitShape<typeof ProtectedDataSchema>): void;
  /** Ends the session of a token. */
  revoke(token: string): void;
  /** What a browser would send: `body` for the request, and `open` for the answer. */
  seal: TestSeal;
  /** From now on every call fails with `unavailable`, or no longer. */
  setDown(down: boolean): void;
};

const ACCESS_TTL_S = 900;
const SIGN_OF_LIFE_MS = 5_000;

export function createTestIssuer(options: { nowMs?: () => number } = {}): TestIssuer {
  const { nowMs = Date.now } = options;
  const tokens = new Map<string, Validated>();
  const ended = new Set<string>();
  const protectedData = new Map<string, ProtectedData>();
  const envelopes = createTestEnvelopes(nowMs);
  let down = false;
  const reach = () => {
    if (down) throw new AuthError("unavailable");
  };

  const authority: Authority = {
    async validateToken(token) {
      reach();
      const validated = tokens.get(token);
      if (validated === undefined) throw new AuthError("token_invalid");
      if (validated.expiresAt.getTime() <= nowMs()) throw new AuthError("token_expired");
      if (ended.has(validated.sessionId)) throw new AuthError("token_revoked");
      return validated;
    },
    async *watchRevocations(signal) {
      for (;;) {
        reach();
        yield NO_NEWS;
        await wait(SIGN_OF_LIFE_MS, undefined, { signal, ref: false });
      }
    },
    async open(sealed, binding) {
      reach();
      return envelopes.open(sealed, binding);
    },
    async seal(ticket, payload) {
      reach();
      return envelopes.sealAnswer(ticket, payload);
    },
    ...createTestKms(reach),
    async protectedData(userId) {
      reach();
      const data = protectedData.get(userId);
      if (data === undefined) throw new AuthError("not_found");
      return data;
    },
    jwks: async () => [],
    close() {},
  };
  const auth = createAuthOn(authority, { nowMs, cache: { lifeMs: 0, unwatchedLifeMs: 0 } });

  return {
    auth,
    issue(user = {}, { expiresInS = ACCESS_TTL_S } = {}) {
      const token = ["test", randomText(), randomText()].join(".");
      const expiresAt = new Date(nowMs() + expiresInS * 1000);
      const holder = toUser(user);
      tokens.set(token, { user: holder, sessionId: randomUUID(), expiresAt });
      if (!protectedData.has(holder.id)) protectedData.set(holder.id, create(ProtectedDataSchema));
      return token;
    },
    setProtectedData(userId, data) {
      protectedData.set(userId, create(ProtectedDataSchema, data));
    },
    revoke(token) {
      const validated = tokens.get(token);
      if (validated === undefined) throw new TypeError("this token was not issued here");
      ended.add(validated.sessionId);
    },
    seal: envelopes.seal,
    setDown(value) {
      down = value;
    },
    async [Symbol.asyncDispose]() {
      auth.close();
    },
  };
}

function toUser({ id = randomUUID(), username = "test-user", roles = [], permissions = [] }: TestUser): User {
  return { id, username, roles: [...roles].sort(), permissions: [...permissions].sort() };
}

function randomText(): string {
  return randomBytes(24).toString("base64url");
}
