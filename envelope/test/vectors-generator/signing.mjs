// JWS in compact form with every algorithm, and the same signature each time: what a signer draws at random is derived from
// what it signs. ECDSA and PSS are done by hand (SEC 1 section 4.1.3, RFC 8017 section 9.1.1), because no library takes the nonce.
import {
  constants,
  createECDH,
  createHash,
  createPrivateKey,
  createPublicKey,
  privateEncrypt,
  sign,
} from "node:crypto";
import { b64, ecdhKey, mgf1, pseudoRandom, thumbprint, unb64, xor } from "./primitives.mjs";

/** @typedef {import("./primitives.mjs").Jwk} Jwk */

const p256Order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** @type {Record<string, (jwk: Jwk, data: Buffer) => Buffer>} */
const signers = {
  ES256: signEcdsa,
  RS256: (jwk, data) => sign("sha256", data, privateKey(jwk)),
  PS256: signPss,
  EdDSA: (jwk, data) => sign(null, data, privateKey(jwk)),
  none: () => Buffer.alloc(0),
};

/**
 * @param {Jwk} jwk
 * @param {string} payload
 * @param {{ header?: object, signAs?: string, encode?: (signature: Buffer) => Buffer }} [change]
 */
export function jws(jwk, payload, { header = {}, signAs = jwk.alg, encode = (signature) => signature } = {}) {
  const full = { alg: signAs, kid: jwk.kid, typ: "sello-handshake+jws", ...header };
  const signed = `${b64(JSON.stringify(full))}.${b64(payload)}`;
  return `${signed}.${b64(encode(signers[signAs](jwk, Buffer.from(signed))))}`;
}

/** @param {Jwk} jwk @param {string} alg @returns {Jwk} */
export const asSigKey = (jwk, alg) => ({ ...jwk, kid: thumbprint(jwk), alg, use: "sig" });

/** @param {string} label */
export const es256Key = (label) => asSigKey(ecdhKey("P-256", label), "ES256");

/** @param {string} label */
export function ed25519Key(label) {
  const d = pseudoRandom(label, 32);
  const pkcs8 = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), d]);
  const { x } = createPublicKey(createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" })).export({
    format: "jwk",
  });
  return asSigKey({ kty: "OKP", crv: "Ed25519", x: x ?? "", d: b64(d) }, "EdDSA");
}

/** @param {Jwk} jwk @param {Buffer} data */
function signEcdsa(jwk, data) {
  const digest = createHash("sha256").update(data).digest();
  const nonce = pseudoRandom(`ECDSA nonce ${jwk.kid} ${b64(digest)}`, 32);
  const pair = createECDH("prime256v1");
  pair.setPrivateKey(nonce);
  const r = number(pair.getPublicKey().subarray(1, 33)) % p256Order;
  const s = (inverse(number(nonce)) * (number(digest) + r * number(unb64(jwk.d)))) % p256Order;
  return Buffer.concat([r, s].map((part) => Buffer.from(part.toString(16).padStart(64, "0"), "hex")));
}

/** @param {Jwk} jwk @param {Buffer} data */
function signPss(jwk, data) {
  const digest = createHash("sha256").update(data).digest();
  const salt = pseudoRandom(`PSS salt ${b64(digest)}`, 32);
  const hash = createHash("sha256").update(Buffer.alloc(8)).update(digest).update(salt).digest();
  const modulusBytes = unb64(jwk.n).length;
  const block = Buffer.concat([Buffer.alloc(modulusBytes - 66), Buffer.of(1), salt]);
  const masked = xor(block, mgf1(hash, block.length, "sha256"));
  masked[0] &= 0x7f;
  const padding = constants.RSA_NO_PADDING;
  return privateEncrypt({ key: privateKey(jwk), padding }, Buffer.concat([masked, hash, Buffer.of(0xbc)]));
}

/** @param {Jwk} jwk */
const privateKey = (jwk) => createPrivateKey({ key: jwk, format: "jwk" });

/** @param {Uint8Array} bytes */
const number = (bytes) => BigInt(`0x${Buffer.from(bytes).toString("hex")}`);

/** Fermat's: the order is prime. @param {bigint} value */
function inverse(value) {
  let result = 1n;
  let power = value % p256Order;
  for (let exponent = p256Order - 2n; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = (result * power) % p256Order;
    power = (power * power) % p256Order;
  }
  return result;
}
