import { createPrivateKey, createPublicKey, type JsonWebKey, type KeyObject, webcrypto } from "node:crypto";
import { importOpener } from "@sello/envelope";
import { nodePrimitives } from "./envelope-primitives.ts";
import { type Curve, generatePrivateJwk, type KeySlot, type KeyUse } from "./key-algorithms.ts";
import type { KeyState, PublicJwk, RingKey } from "./key-ring.ts";

/** What stands in a key file: a private JWK (RFC 7517) with its place in the rotation. */
export type StoredKey = JsonWebKey & {
  kty: string;
  kid: string;
  use: KeyUse;
  alg: string;
  state: KeyState;
  /** When it entered that state, RFC 3339. */
  since: string;
};

export const KEY_FILE_SUFFIX = ".jwk.json";
const PUBLIC_MEMBERS = ["crv", "x", "y", "n", "e"] as const;
const USES = ["sig", "enc", "enc_front"];
const STATES = ["next", "active", "grace"];

export function keyFileName(key: Pick<StoredKey, "use" | "alg" | "kid">): string {
  return `${key.use}-${key.alg.replace("+", "_")}-${key.kid}${KEY_FILE_SUFFIX}`;
}

/**
 * The key in a file of that name. A key under another name would be written to a second file when it moves on.
 * @throws Error that says what is wrong, and nothing of what the file holds.
 */
export function parseStoredKey(name: string, text: string): StoredKey {
  const key = parseObject(text);
  const { use, state, since } = key;
  if (!USES.includes(String(use)) || !STATES.includes(String(state))) throw new Error("it has an unknown use or state");
  if (Number.isNaN(Date.parse(String(since)))) throw new Error("it does not say since when");
  const { kty, kid, alg } = key;
  if (typeof kty !== "string" || typeof kid !== "string" || typeof alg !== "string") {
    throw new Error("it has no kty, kid or alg");
  }
  if (keyFileName(key as StoredKey) !== name) throw new Error("it holds a key of another name");
  try {
    createPrivateKey({ key: key as StoredKey, format: "jwk" });
  } catch {
    throw new Error("it holds no private key");
  }
  return key as StoredKey;
}

function parseObject(text: string): Record<string, unknown> {
  const value = parseJson(text);
  if (typeof value !== "object" || value === null) throw new Error("it holds no object");
  return value as Record<string, unknown>;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error("it does not parse as JSON");
  }
}

/** A new key for a slot; its `kid` is the RFC 7638 thumbprint. */
export async function createStoredKey(slot: KeySlot, state: KeyState, now: Date): Promise<StoredKey> {
  const jwk = await generatePrivateJwk(slot);
  // Imported where it is used: a server that finds its keys never makes one.
  const { calculateJwkThumbprint } = await import("jose");
  const kid = await calculateJwkThumbprint(jwk as Parameters<typeof calculateJwkThumbprint>[0]);
  return { ...jwk, kty: String(jwk.kty), kid, use: slot.use, alg: slot.alg, state, since: now.toISOString() };
}

/** Makes a stored key ready for use. */
export async function openStoredKey(stored: StoredKey): Promise<RingKey> {
  const { kid, use, alg, state, since, ...jwk } = stored;
  const privateKey = createPrivateKey({ key: jwk, format: "jwk" });
  const publicJwk: PublicJwk = { kty: stored.kty, use, kid, alg };
  for (const member of PUBLIC_MEMBERS) if (jwk[member] !== undefined) publicJwk[member] = jwk[member];
  return {
    kid,
    use,
    alg,
    crv: alg.startsWith("ECDH") ? (stored.crv as Curve) : undefined,
    state,
    since: new Date(since),
    privateKey,
    publicKey: createPublicKey(privateKey),
    publicJwk,
    webKey: use === "enc" && alg === "RSA-OAEP-256" ? await webDecryptionKey(privateKey) : undefined,
    opener: use === "enc_front" ? await importOpener({ ...jwk, kid, alg, kty: stored.kty }, nodePrimitives) : undefined,
  };
}

/** Whether a key is of the kind that a slot asks for. The size of an RSA key takes effect with its next rotation. */
export function fitsSlot(key: Pick<StoredKey, "use" | "alg" | "crv">, slot: KeySlot): boolean {
  return key.use === slot.use && key.alg === slot.alg && (slot.crv === undefined || key.crv === slot.crv);
}

function webDecryptionKey(key: KeyObject): Promise<webcrypto.CryptoKey> {
  const pkcs8 = key.export({ format: "der", type: "pkcs8" });
  return webcrypto.subtle.importKey("pkcs8", pkcs8, { name: "RSA-OAEP", hash: "SHA-256" }, false, ["decrypt"]);
}
