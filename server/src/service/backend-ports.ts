import type { Scope } from "../domain/scopes.ts";

/** Secrets of service accounts: `sa_` and 32 random bytes. */
export type ServiceSecrets = {
  create(): { secret: string; hash: Buffer };
  /** The secret's hash; undefined when the text is no such secret. */
  parse(secret: string): Buffer | undefined;
};

/** Another back end that may call. */
export type ServiceAccount = {
  id: string;
  name: string;
  scopes: string[];
  /** The paths that it may open envelopes for, with what is below them; undefined where any will do. */
  bindings: string[] | undefined;
  /** The SHA-256 of the one certificate that it may call with; undefined where any connection will do. */
  clientCertificate: Buffer | undefined;
};
export type ListedServiceAccount = ServiceAccount & { createdAt: Date; disabledAt: Date | undefined };

export type ServiceAccounts = {
  /** @throws AuthError `already_exists` for a name that is taken, be it by a disabled account. */
  create(account: Omit<ServiceAccount, "scopes"> & { scopes: Scope[]; secretHash: Buffer; now: Date }): Promise<void>;
  /** Whether there was such an account that was not disabled. */
  disable(name: string, now: Date): Promise<boolean>;
  /** Undefined when there is none, or it is disabled. */
  find(secretHash: Buffer): Promise<ServiceAccount | undefined>;
  list(): Promise<ListedServiceAccount[]>;
};

/**
 * What whoever remembers tokens has to hear: a session that ended, or a user whose roles, permissions or username changed. Without
 * either it is everybody's that changed.
 */
export type Word = { key: string; sessionId?: string; userId?: string };

export type EndedSessions = {
  /**
   * Sessions that ended and users who changed since a moment, some of them told before under the same key, and the moment to ask for
   * next. Without a moment: those of the last seconds.
   */
  since(moment: string | undefined): Promise<{ words: Word[]; moment: string | undefined }>;
};
