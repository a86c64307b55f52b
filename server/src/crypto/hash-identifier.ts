import { createHash } from "node:crypto";

/** Stands for what a person typed as an identifier wherever it is kept outside the database: people type passwords there. */
export function hashIdentifier(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}
