import { contentKeyFor, now } from "./positive.mjs";
import { b64, gcm, pseudoRandom, unb64 } from "./primitives.mjs";

/** @typedef {import("./primitives.mjs").Jwk} Jwk */

export const binding = "/auth/login";
export const plaintext = '{"email":"ana@example.com"}';
export const invalid = "envelope_invalid";

/**
 * An envelope that is right but for what the options change.
 * @param {Jwk} jwk
 * @param {{ aad?: string | Buffer, plaintext?: string, iv?: Buffer, tagBytes?: number, key?: Buffer, carrier?: object }} [change]
 * @returns {Record<string, unknown>}
 */
export function seal(jwk, change = {}) {
  const label = `negative ${jwk.kty}`;
  const made = contentKeyFor(jwk, label);
  const iv = change.iv ?? pseudoRandom(`${label} iv`, 12);
  const aad = Buffer.from(change.aad ?? aadText());
  const key = change.key ?? made.contentKey;
  const ct = gcm({ key, iv, aad, plaintext: change.plaintext ?? plaintext, tagBytes: change.tagBytes ?? 16 });
  const carrier = change.carrier ?? made.carrier;
  return { kid: jwk.kid, alg: jwk.alg, enc: "A256GCM", ...carrier, iv: b64(iv), ct: b64(ct), aad: b64(aad) };
}

export const jti = b64(pseudoRandom("negative jti", 16));

/** @param {Record<string, unknown>} [change] */
export const aadText = (change = {}) => JSON.stringify({ b: binding, ts: now, jti, ...change });

/** @param {Record<string, unknown>} object @param {string} name */
export function without(object, name) {
  const { [name]: _, ...rest } = object;
  return rest;
}

/** The text with the bit of weight `bit` of its nth byte flipped. @param {string} text @param {number} index */
export function flip(text, index) {
  const bytes = unb64(text);
  bytes[index < 0 ? bytes.length + index : index] ^= 1;
  return b64(bytes);
}
