import type { Identifier } from "../domain/identifier.ts";
import type { PasswordPolicy } from "../domain/password-policy.ts";
import type { RefreshState } from "../domain/refresh.ts";
import type { SessionLifetimes } from "../domain/session.ts";
import type { User } from "../domain/user.ts";
import type { Administration } from "./administration-ports.ts";
import type { AuditTrail } from "./audit-ports.ts";
import type { ServiceAccounts, ServiceSecrets } from "./backend-ports.ts";
import type { GrantsOf, Holder } from "./grants.ts";
import type { Kms } from "./kms-ports.ts";
import type { MfaDecoy, MfaFactors, MfaLogins, MfaSecrets, Totp } from "./mfa-ports.ts";
import type { AccessClaims, AccessTokens, RefreshTokens } from "./token-ports.ts";
import type { Unlocks } from "./unlock-ports.ts";
import type {
  DataCipher,
  KeyDerivation,
  PasswordKeyChange,
  RecoveryKeys,
  UserData,
  Vaults,
} from "./user-data-ports.ts";

export type { Kms, Unwrapping, WrapContext } from "./kms-ports.ts";

/** The client of a call, as the edge sees it. */
export type Client = { ip: string; userAgent: string; requestId: string };

/** Who an access token says the caller is, once it was verified and its session found alive. */
export type Bearer = {
  user: User;
  sessionId: string;
  jti: string;
  /** When the user last proved who it is in this session: at login, or since. */
  authenticatedAt: Date;
  /** The end of the token, or of its session if that is sooner. */
  expiresAt: Date;
};

export type Clock = { now(): Date };

export type Ids = { uuid(): string };

/** Answers from a bounded queue: `overloaded` when it is full. Hashing never runs on the event loop. */
export type PasswordHasher = {
  /**
   * Does work that needs a hash, once there is a place for it: `overloaded` at once when all are taken. Around the whole of
   * a use case, so that a storm of logins ends before the database.
   */
  admit<T>(work: () => Promise<T>): Promise<T>;
  hash(password: string, signal?: AbortSignal): Promise<string>;
  /** False for an undefined hash too, after the work that a hash of today costs. */
  verify(hash: string | undefined, password: string, signal?: AbortSignal): Promise<boolean>;
  /** Whether the hash was made with other parameters, another algorithm or another pepper than today's. */
  isOutdated(hash: string): boolean;
  /** How a password becomes a key today: the parameters of a hash, and a salt of its own. */
  newDerivation(): KeyDerivation;
  /** Whether keys were ever derived like this here. What says otherwise was changed where it is stored. */
  isDerivation(derivation: KeyDerivation): boolean;
  /** 32 bytes. Whoever asks for them clears them. */
  deriveKey(password: string, derivation: KeyDerivation, signal?: AbortSignal): Promise<Buffer>;
  /** Why a hash of another system cannot be taken over; undefined when it can. */
  foreignHashProblem(hash: string): string | undefined;
};

export type AttemptPermit = {
  /**
   * What is locked, if anything. `name`: what was typed, whether somebody has it or nobody; that may be told. `account`: its
   * user alone, who was guessed at by the other name too; to tell that would tell that the two names belong together.
   */
  lock: "name" | "account" | undefined;
  lockedUntil: Date | null;
  /** Where this attempt was counted as a failure. */
  countedAt: string[];
  account: { user: User; passwordHash: string; disabled: boolean } | undefined;
  /**
   * What the password is verified against. For an identifier that nobody has it is the hash of some account, the same one each
   * time and on every replica: an unknown user costs what a known one does, whatever its hash was made with.
   */
  passwordHash: string | undefined;
};

export type Logins = {
  /** Counts an attempt, and only then says whether it is locked: parallel guesses are counted one by one. */
  begin(identifier: Identifier, now: Date): Promise<AttemptPermit>;
  /** The same for a user who is known by id. */
  beginFor(userId: string, now: Date): Promise<AttemptPermit>;
  /** Takes the count of an attempt back, and its lock: for a password that nobody looked at. */
  takeBack(countedAt: string[], begunAt: Date): Promise<void>;
  /** The hash of a user's password at this moment; undefined without such a user, or when the user is disabled. */
  passwordHash(userId: string): Promise<string | undefined>;
  /** Records an attempt that did not succeed. */
  recordFailure(attempt: {
    client: Client;
    now: Date;
    identifier: Identifier;
    userId: string | undefined;
    result: FailureResult;
  }): Promise<void>;
  /** The same for the current password in a change of password. */
  recordChangeFailure(attempt: CallerFailure): Promise<void>;
  /** The same for the password that private data is to be unlocked with. */
  recordUnlockFailure(attempt: CallerFailure): Promise<void>;
};

/** An attempt of somebody who is logged in. */
export type CallerFailure = { client: Client; now: Date; user: User; sessionId: string; result: FailureResult };

type FailureResult = "invalid_credentials" | "account_locked";

export type NewSession = {
  id: string;
  client: Client;
  now: Date;
  expiresAt: Date;
  refreshHash: Buffer;
  refreshExpiresAt: Date;
};

export type NewUser = {
  id: string;
  email: string;
  username: string;
  passwordHash: string;
  dataPublic: Record<string, unknown>;
};

/** The key of the private data as a change of password found it, and what it becomes; unchanged where it does not open. */
export type SeenPrivateKey = { wrappedKey: string | undefined; change: PasswordKeyChange | undefined };

export type Accounts = {
  /**
   * Creates the user and the first session, with their records: all or nothing.
   * @throws AuthError `already_exists` naming the field that is taken.
   */
  register(user: NewUser, session: NewSession): Promise<User>;
  /**
   * Replaces the password, puts the key of the private data under it, ends the user's other sessions and clears the count of
   * failures, all or nothing. Returns how many sessions ended.
   * @throws AuthError `token_revoked` when the caller's session is over or the user disabled at that moment, `conflict` when
   * the password, or the key of the private data, was changed meanwhile.
   */
  changePassword(change: {
    userId: string;
    sessionId: string;
    oldHash: string;
    newHash: string;
    privateKey: SeenPrivateKey;
    client: Client;
    now: Date;
  }): Promise<number>;
};

export type Rotation = Holder & { sessionId: string; authenticatedAt: Date; refreshExpiresAt: Date };

export type StoredRefresh = RefreshState &
  Holder & {
    sessionId: string;
    authenticatedAt: Date;
    successorSealed: Buffer | null;
    successorExpiresAt: Date | null;
  };

export type SessionRecord = {
  id: string;
  createdAt: Date;
  lastUsedAt: Date;
  expiresAt: Date;
  ip: string;
  userAgent: string;
};

export type Sessions = {
  /**
   * Opens a session after a good login, clears the count of failures, and stores the password's new hash where one is given.
   * Undefined when the password was changed, the user disabled, or a second factor turned on, since the attempt began.
   */
  open(login: {
    session: NewSession;
    userId: string;
    identifier: Identifier;
    passwordHash: string;
    upgradedHash: string | undefined;
  }): Promise<true | undefined>;
  /** Uses a live refresh token and stores its successor, in one atomic statement; undefined when it is not live. */
  rotate(rotation: {
    hash: Buffer;
    successorHash: Buffer;
    successorSealed: Buffer;
    successorLifeS: number;
    now: Date;
  }): Promise<Rotation | undefined>;
  findRefresh(hash: Buffer): Promise<StoredRefresh | undefined>;
  /** Ends a session because a used token came back. */
  endReused(sessionId: string, client: Client, now: Date): Promise<void>;
  /** Ends whichever of these sessions is alive, and puts the access token on the revocation list. Idempotent. */
  logout(ended: {
    refreshHashes: Buffer[];
    access: AccessClaims | undefined;
    client: Client;
    now: Date;
  }): Promise<void>;
  /**
   * The user of a session that is alive, when the user last proved who it is, and when the session ends unless it is prolonged;
   * undefined when it is over, its user disabled, or the token revoked. What the user's assigned roles come to is for `grants` to
   * say.
   */
  findBearer(
    claims: AccessClaims,
    now: Date,
  ): Promise<(Holder & { authenticatedAt: Date; sessionEndsAt: Date }) | undefined>;
  list(page: {
    userId: string;
    now: Date;
    limit: number;
    after: { createdAt: Date; id: string } | undefined;
  }): Promise<SessionRecord[]>;
  /** Whether the user had that live session. @throws AuthError `token_revoked` when the caller's own session is over. */
  revoke(revocation: {
    userId: string;
    callerSessionId: string;
    sessionId: string;
    client: Client;
    now: Date;
  }): Promise<boolean>;
};

export type RateLimitName = "login_ip" | "login_account" | "register_ip" | "refresh_ip" | "handshake_ip";

export type RateLimits = {
  /** Spends one point of a key. @throws AuthError `rate_limited`. */
  spend(limit: RateLimitName, key: string): Promise<void>;
};

/** Remembers what may be accepted once. */
export type Nonces = {
  /** True the first time within `ttlS`. @throws AuthError `unavailable` when that cannot be said: never a guess. */
  claim(id: string, ttlS: number): Promise<boolean>;
};

export type Settings = SessionLifetimes & {
  accessTtlS: number;
  refreshRetryGraceS: number;
  reauthenticationMaxAgeS: number;
  /** Who asks for the codes, as authenticator apps show it. */
  mfaIssuer: string;
};

/** Everything a use case may need. Each names its own few with `Pick`. */
export type Deps = {
  accounts: Accounts;
  logins: Logins;
  sessions: Sessions;
  hasher: PasswordHasher;
  passwordPolicy: PasswordPolicy;
  accessTokens: AccessTokens;
  refreshTokens: RefreshTokens;
  limits: RateLimits;
  kms: Kms;
  userData: UserData;
  vaults: Vaults;
  dataCipher: DataCipher;
  recoveryKeys: RecoveryKeys;
  auditTrail: AuditTrail;
  administration: Administration;
  grants: GrantsOf;
  unlocks: Unlocks;
  serviceAccounts: ServiceAccounts;
  serviceSecrets: ServiceSecrets;
  /** A new key of 256 bits. */
  randomKey(): Buffer;
  mfaLogins: MfaLogins;
  mfaFactors: MfaFactors;
  mfaSecrets: MfaSecrets;
  /** What a code is tried at when there is no factor: the same work. */
  mfaDecoy: MfaDecoy;
  totp: Totp;
  clock: Clock;
  ids: Ids;
  settings: Settings;
};
