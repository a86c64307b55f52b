// The envelope's cryptography a second time, on node:crypto instead of the package's WebCrypto, so that the vectors do not
// come from the code that they test. Everything random is derived from a label, so that they come out the same each time.
import {
  constants,
  createCipheriv,
  createECDH,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hkdfSync,
  publicEncrypt,
} from "node:crypto";

/** @typedef {Record<string, string>} Jwk */

/** @param {Uint8Array | string} data */
export const b64 = (data) => Buffer.from(data).toString("base64url");

/** @param {string} text */
export const unb64 = (text) => Buffer.from(text, "base64url");

/** Bytes that depend on the label only. @param {string} label @param {number} length */
export const pseudoRandom = (label, length) =>
  createHash("shake256", { outputLength: length }).update(`sello/1 vectors ${label}`).digest();

/**
 * AES-GCM with any key, IV and tag length, also those that the envelope forbids.
 * @param {{ key: Uint8Array, iv: Uint8Array, aad?: Uint8Array, plaintext: Uint8Array | string, tagBytes?: number }} input
 */
export function gcm({ key, iv, aad = Buffer.alloc(0), plaintext, tagBytes = 16 }) {
  const name = /** @type {"aes-256-gcm"} */ (`aes-${key.length * 8}-gcm`);
  const cipher = createCipheriv(name, key, iv, { authTagLength: tagBytes }).setAAD(aad);
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

/** RSA-OAEP by hand (RFC 8017 section 7.1.1), because no library takes the seed. */
export function rsaOaep(
  /** @type {Jwk} */ jwk,
  /** @type {Uint8Array} */ message,
  /** @type {Uint8Array} */ seed,
  hash = "sha256",
) {
  const modulusBytes = unb64(jwk.n).length;
  const labelHash = createHash(hash).digest();
  const padding = Buffer.alloc(modulusBytes - message.length - 2 * labelHash.length - 2);
  const block = Buffer.concat([labelHash, padding, Buffer.of(1), message]);
  const maskedBlock = xor(block, mgf1(seed, block.length, hash));
  const maskedSeed = xor(seed, mgf1(maskedBlock, seed.length, hash));
  return rsaRaw(jwk, Buffer.concat([Buffer.of(0), maskedSeed, maskedBlock]));
}

/** The bare RSA operation. @param {Jwk} jwk @param {Uint8Array} block */
export const rsaRaw = (jwk, block) =>
  publicEncrypt({ key: createPublicKey({ key: jwk, format: "jwk" }), padding: constants.RSA_NO_PADDING }, block);

/** The key pair whose private part depends on the label only. @param {string} crv @param {string} label */
export function ecdhKey(crv, label) {
  const d = pseudoRandom(label, 32);
  if (crv === "X25519") {
    const pkcs8 = Buffer.concat([Buffer.from("302e020100300506032b656e04220420", "hex"), d]);
    const { x } = createPublicKey(createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" })).export({
      format: "jwk",
    });
    return { kty: "OKP", crv, x, d: b64(d) };
  }
  const pair = createECDH("prime256v1");
  pair.setPrivateKey(d);
  const point = pair.getPublicKey();
  return { kty: "EC", crv, x: b64(point.subarray(1, 33)), y: b64(point.subarray(33)), d: b64(d) };
}

/** The raw public key. @param {Jwk} jwk */
export const rawPoint = ({ kty, x, y }) =>
  kty === "EC" ? Buffer.concat([Buffer.of(4), unb64(x), unb64(y)]) : unb64(x);

/** @param {Jwk} privateJwk @param {Jwk} publicJwk */
export const sharedSecret = (privateJwk, { kty, crv, x, y }) =>
  diffieHellman({
    privateKey: createPrivateKey({ key: privateJwk, format: "jwk" }),
    publicKey: createPublicKey({ key: { kty, crv, x, ...(y && { y }) }, format: "jwk" }),
  });

/** @param {Uint8Array} secret @param {Uint8Array} salt @param {string} info */
export const hkdf = (secret, salt, info) => Buffer.from(hkdfSync("sha256", secret, salt, info, 32));

/** @param {Uint8Array} contentKey @param {Uint8Array} jti */
export const replayId = (contentKey, jti) =>
  b64(createHmac("sha256", contentKey).update("sello/1 replay").update(jti).digest().subarray(0, 16));

/** The `kid`: the RFC 7638 thumbprint. @param {Jwk} jwk */
export function thumbprint({ kty, crv, x, y, n, e }) {
  const members = { RSA: { e, kty, n }, EC: { crv, kty, x, y }, OKP: { crv, kty, x } }[/** @type {"RSA"} */ (kty)];
  return createHash("sha256").update(JSON.stringify(members)).digest("base64url");
}

/** @param {Uint8Array} a @param {Uint8Array} b */
export const xor = (a, b) => Buffer.from(a.map((byte, i) => byte ^ (b[i] ?? 0)));

/** @param {Uint8Array} seed @param {number} length @param {string} hash */
export function mgf1(seed, length, hash) {
  const blocks = [];
  for (let i = 0, made = 0; made < length; i++) {
    const counter = Buffer.alloc(4);
    counter.writeUInt32BE(i);
    const block = createHash(hash).update(seed).update(counter).digest();
    blocks.push(block);
    made += block.length;
  }
  return Buffer.concat(blocks).subarray(0, length);
}
