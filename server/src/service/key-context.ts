import type { WrapContext } from "./ports.ts";
import type { KeyPurpose } from "./user-data-ports.ts";

/** What a user's wrapped key is bound to in the KMS: whose it is, what for, and which one of them. */
export function keyContext(key: { userId: string; purpose: KeyPurpose; version: number }): WrapContext {
  return { purpose: `user-data:${key.purpose}:${key.version}`, subject: key.userId };
}
