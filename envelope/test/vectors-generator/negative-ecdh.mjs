import { createHash } from "node:crypto";
import { b64, ecdhKey, hkdf, pseudoRandom, rawPoint, sharedSecret, unb64 } from "./primitives.mjs";
import { flip, invalid, plaintext, seal, without } from "./sealing.mjs";

/** @typedef {import("./primitives.mjs").Jwk} Jwk */

/** @param {Jwk} p256 @param {Jwk} x25519 */
export function ecdhRows(p256, x25519) {
  const onP256 = seal(p256);
  const onX25519 = seal(x25519);
  const ephemeral = ecdhKey("P-256", "negative EC ephemeral key");
  const { d, ...epk } = ephemeral;
  const shared = sharedSecret(ephemeral, p256);
  const derived = (/** @type {Buffer} */ salt, info = "sello/1 front") =>
    seal(p256, { key: hkdf(shared, salt, info), carrier: { epk } });
  const from = (/** @type {Jwk} */ jwk, /** @type {Record<string, unknown>} */ change) => ({
    ...seal(jwk),
    epk: { ...seal(jwk).epk, ...change },
  });
  const smallOrder = (/** @type {string} */ hex) => {
    const x = b64(Buffer.from(hex, "hex"));
    const key = hkdf(Buffer.alloc(32), Buffer.concat([unb64(x), rawPoint(x25519)]), "sello/1 front");
    return seal(x25519, { key, carrier: { epk: { kty: "OKP", crv: "X25519", x } } });
  };
  return [
    { name: "untouched, P-256", expect: "ok", plaintext, envelope: onP256 },
    { name: "untouched, X25519", expect: "ok", plaintext, envelope: onX25519 },
    { name: "without epk", expect: invalid, envelope: without(onP256, "epk") },
    ...[null, "text", [], [epk]].map((value) => ({
      name: `epk is not an object: ${JSON.stringify(value).slice(0, 8)}`,
      expect: invalid,
      envelope: { ...onP256, epk: value },
    })),
    { name: "epk with d, P-256", expect: invalid, envelope: from(p256, { d }) },
    { name: "epk with d null", expect: invalid, envelope: from(p256, { d: null }) },
    { name: "epk with d, X25519", expect: invalid, envelope: from(x25519, { d: b64(pseudoRandom("negative d", 32)) }) },
    { name: "epk off the curve", expect: invalid, envelope: from(p256, { y: flip(epk.y ?? "", -1) }) },
    {
      name: "epk at (0, 0)",
      expect: invalid,
      envelope: from(p256, { x: b64(Buffer.alloc(32)), y: b64(Buffer.alloc(32)) }),
    },
    { name: "epk beyond the field", expect: invalid, envelope: from(p256, { x: b64(Buffer.alloc(32, 0xff)) }) },
    { name: "epk negated", expect: invalid, envelope: from(p256, { y: negated(epk.y ?? "") }) },
    { name: "epk of P-384", expect: invalid, envelope: from(p256, { crv: "P-384" }) },
    { name: "epk of secp256k1", expect: invalid, envelope: from(p256, { crv: "secp256k1" }) },
    { name: "epk of X25519 for a P-256 key", expect: invalid, envelope: { ...onP256, epk: onX25519.epk } },
    { name: "epk of P-256 for an X25519 key", expect: invalid, envelope: { ...onX25519, epk } },
    { name: "epk of X448", expect: invalid, envelope: from(x25519, { crv: "X448" }) },
    { name: "epk of Ed25519", expect: invalid, envelope: from(x25519, { crv: "Ed25519" }) },
    { name: "epk of kty OKP on P-256", expect: invalid, envelope: from(p256, { kty: "OKP" }) },
    { name: "epk of kty EC on X25519", expect: invalid, envelope: from(x25519, { kty: "EC" }) },
    { name: "epk of P-256 without y", expect: invalid, envelope: { ...onP256, epk: without(epk, "y") } },
    { name: "epk of X25519 with y", expect: invalid, envelope: from(x25519, { y: epk.y }) },
    { name: "epk without x", expect: invalid, envelope: { ...onP256, epk: without(epk, "x") } },
    { name: "epk with x a number", expect: invalid, envelope: from(p256, { x: 1 }) },
    { name: "epk with y null", expect: invalid, envelope: from(x25519, { y: null }) },
    {
      name: "epk with x of 31 bytes",
      expect: invalid,
      envelope: from(p256, { x: b64(unb64(epk.x ?? "").subarray(1)) }),
    },
    {
      name: "epk with x of 33 bytes",
      expect: invalid,
      envelope: from(p256, { x: b64(Buffer.concat([Buffer.of(0), unb64(epk.x ?? "")])) }),
    },
    {
      name: "epk of X25519 with x of 31 bytes",
      expect: invalid,
      envelope: from(x25519, { x: b64(unb64(onX25519.epk.x).subarray(1)) }),
    },
    {
      name: "epk of X25519 with its unused bit set, salted without",
      expect: invalid,
      envelope: from(x25519, { x: highBit(onX25519.epk.x) }),
    },
    { name: "X25519 point 0, authentic under the zero secret", expect: invalid, envelope: smallOrder("00".repeat(32)) },
    {
      name: "X25519 point 1, authentic under the zero secret",
      expect: invalid,
      envelope: smallOrder(`01${"00".repeat(31)}`),
    },
    {
      name: "X25519 point of order 8, authentic under the zero secret",
      expect: invalid,
      envelope: smallOrder("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    },
    {
      name: "X25519 point p-1, authentic under the zero secret",
      expect: invalid,
      envelope: smallOrder(`ec${"ff".repeat(30)}7f`),
    },
    { name: "derived with an empty salt", expect: invalid, envelope: derived(Buffer.alloc(0)) },
    {
      name: "derived with the salt's halves swapped",
      expect: invalid,
      envelope: derived(Buffer.concat([rawPoint(p256), rawPoint(epk)])),
    },
    {
      name: "derived with bare x coordinates as salt",
      expect: invalid,
      envelope: derived(Buffer.concat([unb64(epk.x ?? ""), unb64(p256.x)])),
    },
    {
      name: "derived with another info",
      expect: invalid,
      envelope: derived(Buffer.concat([rawPoint(epk), rawPoint(p256)]), "sello/1 c2s"),
    },
    {
      name: "the shared secret itself as the key",
      expect: invalid,
      envelope: seal(p256, { key: shared, carrier: { epk } }),
    },
    {
      name: "the SHA-256 of the shared secret as the key",
      expect: invalid,
      envelope: seal(p256, { key: createHash("sha256").update(shared).digest(), carrier: { epk } }),
    },
  ];
}

/** The y of the negated point: the same shared secret, another salt. @param {string} y */
function negated(y) {
  const p = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
  return b64(Buffer.from((p - BigInt(`0x${unb64(y).toString("hex")}`)).toString(16).padStart(64, "0"), "hex"));
}

/** @param {string} x */
function highBit(x) {
  const bytes = unb64(x);
  bytes[31] |= 0x80;
  return b64(bytes);
}
