import { randomBytes, randomUUID } from "node:crypto";
import type { Ids } from "../service/ports.ts";

/** Random (version 4) UUIDs, RFC 9562. */
export const ids: Ids = { uuid: () => randomUUID() };

/** A key of 256 bits. */
export function randomKey(): Buffer {
  return randomBytes(32);
}

/** A secret of 32 random bytes, base64url. */
export function randomSecret(): string {
  return randomBytes(32).toString("base64url");
}
