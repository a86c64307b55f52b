import type { Bearer, Client } from "./ports.ts";

/** A user who changes or reads what is theirs. */
export type Caller = { client: Client; bearer: Bearer };

export type DataClass = "protected" | "private";
export type KeyPurpose = "protected" | "private.password" | "private.recovery";

/** Where a ciphertext or a wrapped key belongs. It opens nowhere else. */
export type Place = { userId: string; purpose: `data.${DataClass}` | KeyPurpose; version: number };

/** AES-256-GCM under a data key of 32 bytes. */
export type DataCipher = {
  seal(key: Buffer, plaintext: Uint8Array, place: Place): Buffer;
  /** Undefined when it does not open, whatever the cause. */
  open(key: Buffer, sealed: Buffer, place: Place): Buffer | undefined;
};

/** Recovery keys: 256 random bits, written in groups of letters and digits with a checksum. */
export type RecoveryKeys = {
  create(): { text: string; secret: Buffer };
  /** The secret; undefined when the text has a typing error. */
  parse(text: string): Buffer | undefined;
  /** The key that wraps. */
  wrappingKey(secret: Buffer): Buffer;
};

/** How a password becomes a key. */
export type KeyDerivation = { kdf: string; salt: Buffer };

export type StoredKey = { version: number; wrappedKey: string };
export type StoredPasswordKey = StoredKey & { derivation: KeyDerivation };
export type StoredData = { keyVersion: number; revision: number; ciphertext: Buffer };

/** What is stored of a class. Data whose key is not there is kept apart from no data. */
export type StoredProtected = { data: StoredData; key: StoredKey | undefined };
export type StoredPrivate = {
  data: StoredData;
  password: StoredPasswordKey | undefined;
  recovery: StoredKey | undefined;
};

/** The replacement of a class' row: it takes effect if the row still has the revision; 0 for none. */
export type NewData = { revision: number; keyVersion: number; ciphertext: Buffer };

type Change = { caller: Caller; now: Date };

export type ProtectedStore = {
  /** Undefined without such a user. */
  find(
    userId: string,
  ): Promise<{ dataPublic: Record<string, unknown>; stored: StoredProtected | undefined } | undefined>;
  /** The same for a back end, and the record of it. Undefined without such a user. */
  readFor(read: {
    service: { id: string; name: string };
    client: Client;
    userId: string;
    now: Date;
  }): Promise<{ stored: StoredProtected | undefined } | undefined>;
  /**
   * Replaces public and protected data, whichever is given. False, and nothing is changed, when either was changed since it was
   * read. @throws AuthError `token_revoked` when the caller's session is over.
   */
  update(
    change: Change & {
      dataPublic: { before: Record<string, unknown>; after: Record<string, unknown> } | undefined;
      dataProtected: (NewData & { newKey: string | undefined }) | undefined;
    },
  ): Promise<boolean>;
};

export type PasswordKeyChange = {
  version: number;
  before: string | undefined;
  after: string;
  derivation: KeyDerivation;
};

export type PrivateStore = {
  find(userId: string): Promise<StoredPrivate | undefined>;
  /**
   * Replaces private data, and its keys where they are new. False, and nothing is changed, when the data was changed since it was
   * read, or the password since it was verified. @throws AuthError `token_revoked`.
   */
  update(
    change: Change & {
      passwordHash: string;
      data: NewData;
      newKeys: { version: number; password: Omit<StoredPasswordKey, "version">; recovery: string } | undefined;
    },
  ): Promise<boolean>;
  /** Puts the key under the password of now, in the same terms as `update`, and records why. */
  rewrap(
    change: Change & { passwordHash: string; key: PasswordKeyChange; act: "unlocked" | "recovered" },
  ): Promise<boolean>;
  recordUnlocked(change: Change): Promise<void>;
};

export type IntegrityFailure = { client: Client; actorId: string; userId: string; what: string; now: Date };

export type UserData = {
  protected: ProtectedStore;
  private: PrivateStore;
  /** Records that something stored did not open though it should. */
  recordIntegrityFailure(failure: IntegrityFailure): Promise<void>;
};

/** What clients keep here and only they can read. */
export type Vaults = {
  get(userId: string): Promise<{ content: Buffer; version: number } | undefined>;
  /** The new version; undefined when it has another version than the one to replace. @throws AuthError `token_revoked`. */
  put(change: Change & { content: Uint8Array; replacedVersion: number }): Promise<number | undefined>;
};
