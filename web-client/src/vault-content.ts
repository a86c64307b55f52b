import { type Bytes, decodeBase64url, encodeBase64url } from "@sello/envelope";
import { AuthError } from "./errors.ts";

/** A data key wrapped under another key. */
export type Wrap = { iv: Bytes; key: Bytes };

/** What the server keeps of a vault. Binary members are base64url in the JSON that travels. */
export type VaultContent = {
  /** How the passphrase becomes a key: PBKDF2-HMAC-SHA256. */
  salt: Bytes;
  iterations: number;
  byPassphrase: Wrap;
  byRecoveryKey: Wrap;
  iv: Bytes;
  ct: Bytes;
};

/** OWASP's figure for PBKDF2-HMAC-SHA256; a vault that asks for less was not made here, and for far more would stop the page. */
export const pbkdf2Iterations = 600_000;
const maxIterations = 10_000_000;

type Json = Record<string, unknown>;

export function writeContent({ salt, iterations, byPassphrase, byRecoveryKey, iv, ct }: VaultContent): Bytes {
  const wrap = ({ iv, key }: Wrap) => ({ iv: encodeBase64url(iv), key: encodeBase64url(key) });
  const json = {
    v: 1,
    salt: encodeBase64url(salt),
    iterations,
    by_passphrase: wrap(byPassphrase),
    by_recovery_key: wrap(byRecoveryKey),
    iv: encodeBase64url(iv),
    ct: encodeBase64url(ct),
  };
  return new TextEncoder().encode(JSON.stringify(json));
}

/** @throws AuthError `vault_damaged` for what is no vault of this version. */
export function readContent(bytes: Uint8Array): VaultContent {
  try {
    const json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as Json;
    const { v, iterations } = json;
    if (v !== 1 || typeof iterations !== "number" || !Number.isInteger(iterations)) throw new TypeError("no vault");
    if (iterations < pbkdf2Iterations || iterations > maxIterations) throw new RangeError("iterations");
    const wrapOf = (member: unknown): Wrap => ({
      iv: bytesOf(member as Json, "iv", 12),
      key: bytesOf(member as Json, "key", 48),
    });
    return {
      salt: bytesOf(json, "salt", 16),
      iterations,
      byPassphrase: wrapOf(json["by_passphrase"]),
      byRecoveryKey: wrapOf(json["by_recovery_key"]),
      iv: bytesOf(json, "iv", 12),
      ct: bytesOf(json, "ct"),
    };
  } catch (cause) {
    throw new AuthError("vault_damaged", "What the server keeps is no vault of this version.", { cause });
  }
}

function bytesOf(json: Json, name: string, length?: number): Bytes {
  const text = json[name];
  if (typeof text !== "string") throw new TypeError(name);
  const bytes = decodeBase64url(text);
  if (bytes === undefined || (length !== undefined && bytes.length !== length)) throw new RangeError(name);
  return bytes;
}
