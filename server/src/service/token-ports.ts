import type { User } from "../domain/user.ts";

export type AccessClaims = {
  userId: string;
  sessionId: string;
  jti: string;
  expiresAt: Date;
  /** What the token says of its user, which was so when it was issued. */
  username: string;
  roles: string[];
  permissions: string[];
};

export type AccessTokens = {
  issue(user: User, session: { id: string; authenticatedAt: Date }): Promise<string>;
  /** @throws AuthError `token_invalid`, `token_expired`. */
  verify(token: string): Promise<AccessClaims>;
  /** The claims of a token that this server issued, though it may have expired; undefined for any other text. */
  read(token: string): Promise<AccessClaims | undefined>;
};

/** Opaque refresh tokens: `rt_` and 32 random bytes. */
export type RefreshTokens = {
  create(): RefreshSecret;
  /** The token's hash; undefined when the text is no refresh token. */
  parse(token: string): RefreshSecret | undefined;
  /** Seals a successor so that only the holder of the old token can read it. */
  sealSuccessor(old: RefreshSecret, successor: RefreshSecret): Buffer;
  openSuccessor(old: RefreshSecret, sealed: Buffer): string;
};
export type RefreshSecret = { token: string; hash: Buffer };
