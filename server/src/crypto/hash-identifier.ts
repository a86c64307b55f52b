import { createHmac } from "node:crypto";
import type { IdentifierHashes } from "../service/identifier-ports.ts";

type Purpose = keyof IdentifierHashes;

/** HMAC-SHA-256 (RFC 2104) under a key of 256 bits, of the purpose, a zero byte and the text: no two purposes share a hash. */
export function createIdentifierHashes(key: Buffer): IdentifierHashes {
  if (key.length !== 32) throw new Error("the key of identifiers must have 32 bytes");
  const hash = (purpose: Purpose, text: string) => createHmac("sha256", key).update(`${purpose}\0${text}`).digest();
  return {
    attempt: (identifier) => hash("attempt", identifier),
    unknownName: (identifier) => hash("unknownName", identifier).toString("hex"),
    decoyId: (identifier) => toUuid(hash("decoyId", identifier)),
    rateLimit: (text) => hash("rateLimit", text).toString("base64url"),
  };
}

/** 128 bits in the spelling of a UUID, anywhere among the ids of accounts. */
function toUuid(bytes: Buffer): string {
  return bytes.toString("hex", 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
