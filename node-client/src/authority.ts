import type { ProtectedData } from "@sello/gen/userdata/v1/userdata_pb";

/** Who calls. Shared between requests, so frozen. */
export type User = {
  /** A UUID. */
  readonly id: string;
  /** As it was registered. */
  readonly username: string;
  /** Inherited ones included, sorted. */
  readonly roles: readonly string[];
  /** `resource:action`, sorted. */
  readonly permissions: readonly string[];
};

export type Validated = {
  readonly user: User;
  readonly sessionId: string;
  readonly expiresAt: Date;
};

/** Sessions that ended, and users whose roles, permissions or username are others now. */
export type News = {
  readonly sessionIds: readonly string[];
  readonly changedUserIds: readonly string[];
  readonly allUsersChanged: boolean;
};

export const NO_NEWS: News = { sessionIds: [], changedUserIds: [], allUsersChanged: false };

/** An envelope as it stands in a JSON body: which member holds it, and what it holds. */
export type SealedBody = { member: EnvelopeMember; envelope: Record<string, unknown> };
export type EnvelopeMember = "__front_enc__" | "__session_enc__";

export type UserKey = { key: Uint8Array; wrappedKey: string };
export type DecryptedKey = {
  key: Uint8Array;
  /** The same key under the newest master key, when there is a newer one: store it in place of the wrapped key. */
  rewrappedKey?: string;
};

/**
 * Who answers for tokens, envelopes and keys: the server over gRPC, or the test issuer in this process. Every call has a
 * deadline, and rejects with an AuthError; after `close`, with `unavailable`.
 */
export type Authority = {
  validateToken(token: string): Promise<Validated>;
  /** What happens, within a second, from the first value on; one without anything is a sign of life. Ends by rejecting. */
  watchRevocations(signal: AbortSignal): AsyncIterable<News>;
  /** The plaintext, and what `seal` needs. */
  open(sealed: SealedBody, binding: string): Promise<{ payload: Uint8Array; ticket: string }>;
  seal(ticket: string, payload: Uint8Array): Promise<SealedBody>;
  createUserKey(userId: string, purpose: string): Promise<UserKey>;
  decryptKey(input: WrappedUserKey): Promise<DecryptedKey>;
  /** Empty when the user has none. */
  protectedData(userId: string): Promise<ProtectedData>;
  /** The published keys, whatever their use. */
  jwks(): Promise<PublishedKey[]>;
  close(): void;
};

export type WrappedUserKey = { userId: string; purpose: string; wrappedKey: string };

/** A public JSON Web Key (RFC 7517). */
export type PublishedKey = { kty: string; use: string; kid: string; alg: string } & Partial<
  Record<"crv" | "x" | "y" | "n" | "e", string>
>;
