/** A user of another system, ready to be stored. */
export type ImportedUser = {
  id: string;
  email: string;
  username: string;
  passwordHash: string;
  emailVerified: boolean;
  roles: string[];
  dataPublic: Record<string, unknown>;
  createdAt: Date;
};

/** `taken`: the email, the username or the id is another account's. */
export type ImportOutcome = "imported" | "present" | "taken";

export type UserImports = {
  roleNames(): Promise<string[]>;
  /** Stores those who are not there, with their records: all or none. In the order in which they are given. */
  add(users: ImportedUser[], options: { now: Date; dryRun: boolean }): Promise<ImportOutcome[]>;
};
