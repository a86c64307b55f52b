/**
 * Stands for what a person typed as an identifier, wherever it is kept: people type passwords there. Under a key that neither
 * the database nor Redis holds, so that who reads them can guess at nothing. The same on every replica.
 */
export type IdentifierHashes = {
  /** For the record of attempts. */
  attempt(identifier: string): Buffer;
  /** Where the failures of a name that nobody has are counted. */
  unknownName(identifier: string): string;
  /** The id, a UUID, of an account that is made up for a name that nobody has. */
  decoyId(identifier: string): string;
  rateLimit(key: string): string;
};
