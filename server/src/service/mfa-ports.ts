import type { Identifier } from "../domain/identifier.ts";
import type { User } from "../domain/user.ts";
import type { Client, NewSession } from "./ports.ts";

/** What a second factor may be. */
export const MFA_METHODS = ["totp", "recovery_code"] as const;

/** TOTP of RFC 6238: SHA-1, 6 digits, 30 seconds. */
export type Totp = {
  /** 160 random bits. */
  newSecret(): Buffer;
  /** The secret in base32, and the `otpauth:` URI that apps read. */
  describe(secret: Uint8Array, names: { issuer: string; account: string }): { secret: string; uri: string };
  /** The time step whose code this is, the present one or so many away as clocks may differ; undefined for any other code. */
  stepOf(secret: Uint8Array, code: string, now: Date): number | undefined;
};

/** The random secrets of second factors. Only hashes of them are ever stored. */
export type MfaSecrets = {
  newChallenge(): { token: string; hash: Buffer };
  /** The hash that a challenge of this text would have, be it one or not. */
  challengeHash(token: string): Buffer;
  newRecoveryCodes(): { code: string; hash: Buffer }[];
  /** The hash of a recovery code, as somebody may type it; undefined when the text is none. */
  recoveryCodeHash(text: string): Buffer | undefined;
};

/** What uses a code up: the step of the authenticator app's, or the hash of a recovery code. */
export type SpentCode = { step: number } | { recoveryHash: Buffer };

/** A try that was counted, at a challenge and at its account. */
export type ChallengeTry = {
  /** False when there is no such challenge, or not any more. What the rest says means nothing then. */
  live: boolean;
  locked: boolean;
  lockedUntil: Date | null;
  countedAt: string[];
  userId: string | undefined;
  identifierHash: Buffer | undefined;
  secretWrapped: string | undefined;
  /** Whether the recovery code of the try is one of the user's, and unused. */
  recoveryKnown: boolean;
};

export type MfaFailureResult = "mfa_invalid" | "account_locked" | "factor_unreadable";

/** A caller of a sensitive call, and when. */
export type MfaCaller = { userId: string; sessionId: string; client: Client; now: Date };

/** Logins that ask for the second factor. */
export type MfaLogins = {
  /**
   * Makes a challenge after a good password, and stores the password's new hash where one is given. Undefined when the
   * password was changed, the second factor turned off, or the user disabled, since the attempt began.
   */
  challenge(login: {
    hash: Buffer;
    expiresAt: Date;
    client: Client;
    now: Date;
    userId: string;
    identifier: Identifier;
    passwordHash: string;
    upgradedHash: string | undefined;
  }): Promise<true | undefined>;
  /** Counts a try, and only then says what there is: parallel guesses are counted one by one. */
  begin(challenge: {
    hash: Buffer;
    recoveryHash: Buffer | undefined;
    client: Client;
    now: Date;
  }): Promise<ChallengeTry>;
  /** Takes a try back, and its lock: for a code that nobody looked at. */
  takeBack(attempt: { hash: Buffer; countedAt: string[]; begunAt: Date }): Promise<void>;
  /**
   * Uses the code and the challenge up and opens the session, all or nothing; clears the count of failures. Undefined when the
   * code was used before, or the challenge is over.
   */
  open(login: { hash: Buffer; session: NewSession; code: SpentCode }): Promise<User | undefined>;
  recordFailure(failure: {
    client: Client;
    now: Date;
    challengeHash: Buffer;
    attempt: ChallengeTry;
    result: MfaFailureResult;
  }): Promise<void>;
};

export type FactorState = { secretWrapped: string; confirmed: boolean };
export type FactorRecord = { id: string; kind: string; confirmedAt: Date; lastUsedAt: Date | null };

/** The factors of users. Each change asks again whether the caller's session is alive. */
export type MfaFactors = {
  find(userId: string): Promise<FactorState | undefined>;
  list(userId: string): Promise<{ factors: FactorRecord[]; recoveryCodesLeft: number }>;
  /** Offers a secret in the place of one that was not confirmed. @throws AuthError `token_revoked`, `conflict`. */
  enroll(caller: MfaCaller, factor: { id: string; secretWrapped: string }): Promise<void>;
  /**
   * Turns the factor on, uses the step up, stores the recovery codes and ends the user's other sessions, all or nothing. Returns
   * how many ended. @throws AuthError `token_revoked`, and `conflict` when it is not the secret that is offered.
   */
  confirm(caller: MfaCaller, proof: { secretWrapped: string; step: number; recoveryHashes: Buffer[] }): Promise<number>;
  /** Uses the code up and turns the factor off; false when the code was used before. @throws AuthError `token_revoked`. */
  disable(caller: MfaCaller, code: SpentCode): Promise<boolean>;
  /** @throws AuthError `token_revoked`, `conflict`. */
  replaceRecoveryCodes(caller: MfaCaller, hashes: Buffer[]): Promise<void>;
  /**
   * Marks the caller's session as proven now, uses up the code where one is given, and clears the count of failures. False when
   * the code was used before, or the password or the factor was changed meanwhile. @throws AuthError `token_revoked`.
   */
  reauthenticate(caller: MfaCaller, proof: { passwordHash: string; code: SpentCode | undefined }): Promise<boolean>;
  /** Records a wrong code of a caller. */
  recordFailure(
    caller: MfaCaller,
    failure: { type: "reauthentication.failed" | "mfa.failed"; email: string; result: string },
  ): Promise<void>;
};

/** A factor of nobody, wrapped like any other. */
export type MfaDecoy = () => Promise<{ userId: string; secretWrapped: string }>;
