import { randomBytes, randomUUID } from "node:crypto";
import type { Ids } from "../service/ports.ts";

/** Random (version 4) UUIDs, RFC 9562. */
export const ids: Ids = { uuid: () => randomUUID() };

/** A secret of 32 random bytes, base64url. */
export function randomSecret(): string {
  return randomBytes(32).toString("base64url");
}
