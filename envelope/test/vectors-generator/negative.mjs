import { constants, createPublicKey, publicEncrypt } from "node:crypto";
import { answerRows } from "./negative-answers.mjs";
import { ecdhRows } from "./negative-ecdh.mjs";
import { now } from "./positive.mjs";
import { b64, pseudoRandom, rsaOaep, unb64 } from "./primitives.mjs";
import { aadText, binding, flip, invalid, jti, plaintext, seal, without } from "./sealing.mjs";

/** @typedef {import("./primitives.mjs").Jwk} Jwk */

/**
 * The table of what must be refused, and of what looks odd and must not. Each envelope is authentic but for what its name
 * says: an implementation that forgets the check opens it.
 * @param {{ rsa: Jwk, otherRsa: Jwk, p256: Jwk, x25519: Jwk }} keys
 */
export function negativeFile(keys) {
  const { rsa, p256, x25519 } = keys;
  const all = [
    ...shape(rsa),
    ...spelling(rsa),
    ...algorithms(keys),
    ...gcmLengths(rsa),
    ...rsaKeys(keys),
    ...ecdhRows(p256, x25519),
    ...additionalData(rsa),
    ...times(x25519),
  ];
  return {
    description:
      "Requests and answers to refuse, with the code, and odd ones to accept. Members: see README.md beside this file.",
    private_jwks: [rsa, p256, x25519],
    requests: all.map((row) => ({ binding, now, aad_required: true, ...row })),
    answers: answerRows(),
  };
}

/** @param {Jwk} rsa */
function shape(rsa) {
  const good = seal(rsa);
  const members = ["kid", "alg", "enc", "cek", "iv", "ct"];
  return [
    { name: "untouched", expect: "ok", plaintext, envelope: good },
    { name: "an unknown member is ignored", expect: "ok", plaintext, envelope: { ...good, zip: "DEF" } },
    ...[null, "text", 1, true, [good], []].map((envelope) => ({
      name: `not an object: ${JSON.stringify(envelope).slice(0, 12)}`,
      expect: invalid,
      envelope,
    })),
    { name: "an envelope in an envelope", expect: invalid, envelope: { __front_enc__: good } },
    ...members.map((name) => ({ name: `without ${name}`, expect: invalid, envelope: without(good, name) })),
    ...[...members, "aad"].flatMap((name) =>
      [null, 1, [good[name]], { toString: good[name] }].map((value) => ({
        name: `${name} of another type: ${JSON.stringify(value).slice(0, 8)}`,
        expect: invalid,
        envelope: { ...good, [name]: value },
      })),
    ),
    { name: "an unknown kid", expect: "envelope_unknown_key", envelope: { ...good, kid: "nobody" } },
    {
      name: "kid __proto__",
      expect: "envelope_unknown_key",
      envelope: JSON.parse(JSON.stringify({ ...good, kid: "__proto__" })),
    },
    {
      name: "an unknown kid of 128 characters",
      expect: "envelope_unknown_key",
      envelope: { ...good, kid: "k".repeat(128) },
    },
    { name: "a kid of 129 characters", expect: invalid, envelope: { ...good, kid: "k".repeat(129) } },
    { name: "an unknown kid and a bad shape", expect: invalid, envelope: { ...good, kid: "nobody", enc: "A128GCM" } },
  ];
}

/** @param {Jwk} rsa */
function spelling(rsa) {
  const good = seal(rsa);
  const lastBit = (/** @type {string} */ text) => {
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    return text.slice(0, -1) + alphabet[alphabet.indexOf(text.at(-1) ?? "") + 1];
  };
  const standard = (/** @type {string} */ text) => text.replaceAll("-", "+").replaceAll("_", "/");
  const padded = (/** @type {string} */ text) => text.padEnd(Math.ceil(text.length / 4) * 4, "=");
  // Every value is made to have a length that leaves bits over, and letters that the standard alphabet spells otherwise.
  const loose = seal(rsa, { plaintext: `${plaintext} `, aad: `${aadText()} ` });
  const spoilt = { ...loose, ...Object.fromEntries(["cek", "ct"].map((name) => [name, loose[name]])) };
  return [
    {
      name: "trailing white space inside plaintext and aad is the sender's",
      expect: "ok",
      plaintext: `${plaintext} `,
      envelope: spoilt,
    },
    ...["cek", "ct"].flatMap((name) => [
      { name: `${name} with padding`, expect: invalid, envelope: { ...loose, [name]: `${padded(loose[name])}` } },
      {
        name: `${name} in the standard alphabet`,
        expect: invalid,
        envelope: { ...loose, [name]: standard(loose[name]) },
      },
      {
        name: `${name} with bits after the last byte`,
        expect: invalid,
        envelope: { ...loose, [name]: lastBit(loose[name]) },
      },
    ]),
    ...["cek", "iv", "ct", "aad"].flatMap((name) => [
      { name: `${name} with a line break`, expect: invalid, envelope: { ...good, [name]: `${good[name]}\n` } },
      {
        name: `${name} with a space inside`,
        expect: invalid,
        envelope: { ...good, [name]: `${good[name].slice(0, 4)} ${good[name].slice(4)}` },
      },
      {
        name: `${name} with a letter beyond ASCII`,
        expect: invalid,
        envelope: { ...good, [name]: `ñ${good[name].slice(1)}` },
      },
      { name: `${name} with one letter more`, expect: invalid, envelope: { ...good, [name]: `${good[name]}A` } },
      {
        name: `${name} with four signs of padding`,
        expect: invalid,
        envelope: { ...good, [name]: `${good[name]}====` },
      },
    ]),
  ];
}

/** @param {{ rsa: Jwk, otherRsa: Jwk, p256: Jwk, x25519: Jwk }} keys */
function algorithms({ rsa, otherRsa, p256, x25519 }) {
  const good = seal(rsa);
  const onCurve = seal(p256);
  return [
    ...["RSA-OAEP", "RSA1_5", "ECDH-ES+A256KW", "dir", "none", "", "rsa-oaep-256", "__proto__", "toString"].map(
      (alg) => ({
        name: `alg ${alg || "empty"}`,
        expect: invalid,
        envelope: { ...good, alg },
      }),
    ),
    ...["A128GCM", "A256CBC-HS512", "a256gcm", ""].map((enc) => ({
      name: `enc ${enc || "empty"}`,
      expect: invalid,
      envelope: { ...good, enc },
    })),
    { name: "an RSA key's kid with ECDH-ES", expect: invalid, envelope: { ...onCurve, kid: rsa.kid } },
    { name: "a P-256 key's kid with RSA-OAEP-256", expect: invalid, envelope: { ...good, kid: p256.kid } },
    { name: "a P-256 envelope under an X25519 key's kid", expect: invalid, envelope: { ...onCurve, kid: x25519.kid } },
    {
      name: "an X25519 envelope under a P-256 key's kid",
      expect: invalid,
      envelope: { ...seal(x25519), kid: p256.kid },
    },
    {
      name: "a key of 3072 bits under the kid of one of 2048",
      expect: invalid,
      envelope: { ...seal(otherRsa), kid: rsa.kid },
    },
    { name: "cek and epk together, RSA-OAEP-256", expect: invalid, envelope: { ...good, epk: onCurve.epk } },
    { name: "cek and epk together, ECDH-ES", expect: invalid, envelope: { ...onCurve, cek: good.cek } },
    { name: "epk instead of cek", expect: invalid, envelope: { ...onCurve, kid: rsa.kid, alg: rsa.alg } },
  ];
}

/** @param {Jwk} rsa */
function gcmLengths(rsa) {
  const good = seal(rsa);
  const iv = (/** @type {number} */ length) => pseudoRandom("negative iv", length);
  return [
    ...[1, 8, 11, 13, 16].map((length) => ({
      name: `an IV of ${length} bytes, authentic`,
      expect: invalid,
      envelope: seal(rsa, { iv: iv(length) }),
    })),
    { name: "an empty IV", expect: invalid, envelope: { ...good, iv: "" } },
    ...[4, 8, 12, 13, 14, 15].map((tagBytes) => ({
      name: `a tag of ${tagBytes} bytes, authentic`,
      expect: invalid,
      envelope: seal(rsa, { tagBytes }),
    })),
    { name: "an empty ct", expect: invalid, envelope: { ...good, ct: "" } },
    {
      name: "a ct of a tag alone: an empty plaintext, authentic",
      expect: invalid,
      envelope: seal(rsa, { plaintext: "" }),
    },
    { name: "a plaintext of one byte", expect: "ok", plaintext: "1", envelope: seal(rsa, { plaintext: "1" }) },
    { name: "ct without its first byte", expect: invalid, envelope: { ...good, ct: b64(unb64(good.ct).subarray(1)) } },
    { name: "ct without its tag", expect: invalid, envelope: { ...good, ct: b64(unb64(good.ct).subarray(0, -16)) } },
    {
      name: "ct with a byte before",
      expect: invalid,
      envelope: { ...good, ct: b64(Buffer.concat([Buffer.of(0), unb64(good.ct)])) },
    },
    { name: "the first bit of ct flipped", expect: invalid, envelope: { ...good, ct: flip(good.ct, 0) } },
    { name: "the last bit of the tag flipped", expect: invalid, envelope: { ...good, ct: flip(good.ct, -1) } },
    { name: "a bit of the IV flipped", expect: invalid, envelope: { ...good, iv: flip(good.iv, 0) } },
  ];
}

/** @param {{ rsa: Jwk, otherRsa: Jwk }} keys */
function rsaKeys({ rsa }) {
  const good = seal(rsa);
  const wrap = (/** @type {Buffer} */ key, hash = "sha256", seedBytes = 32) => ({
    cek: b64(rsaOaep(rsa, key, pseudoRandom("negative seed", seedBytes), hash)),
  });
  const key = (/** @type {number} */ length) => pseudoRandom("negative key", length);
  const pkcs1 = pkcs1v15(rsa, key(32));
  return [
    ...[16, 24].map((length) => ({
      name: `a content key of ${length} bytes, authentic`,
      expect: invalid,
      envelope: seal(rsa, { key: key(length), carrier: wrap(key(length)) }),
    })),
    {
      name: "a content key of 33 bytes, the first 32 used",
      expect: invalid,
      envelope: seal(rsa, { key: key(32), carrier: wrap(key(33)) }),
    },
    {
      name: "a content key of 31 bytes",
      expect: invalid,
      envelope: seal(rsa, { key: key(32), carrier: wrap(key(31)) }),
    },
    {
      name: "an empty content key",
      expect: invalid,
      envelope: seal(rsa, { key: Buffer.alloc(32), carrier: wrap(Buffer.alloc(0)) }),
    },
    {
      name: "OAEP with SHA-1, authentic",
      expect: invalid,
      envelope: seal(rsa, { key: key(32), carrier: wrap(key(32), "sha1", 20) }),
    },
    {
      name: "PKCS #1 v1.5 instead of OAEP, authentic",
      expect: invalid,
      envelope: seal(rsa, { key: key(32), carrier: { cek: pkcs1 } }),
    },
    { name: "another content key, well wrapped", expect: invalid, envelope: { ...good, ...wrap(key(32)) } },
    { name: "a bit of cek flipped", expect: invalid, envelope: { ...good, cek: flip(good.cek, -1) } },
    { name: "cek all zero", expect: invalid, envelope: { ...good, cek: b64(Buffer.alloc(256)) } },
    { name: "cek not below the modulus", expect: invalid, envelope: { ...good, cek: b64(Buffer.alloc(256, 0xff)) } },
    { name: "cek cut by a byte", expect: invalid, envelope: { ...good, cek: b64(unb64(good.cek).subarray(1)) } },
    {
      name: "cek with a zero byte before",
      expect: invalid,
      envelope: { ...good, cek: b64(Buffer.concat([Buffer.of(0), unb64(good.cek)])) },
    },
    { name: "an empty cek", expect: invalid, envelope: { ...good, cek: "" } },
  ];
}

/** PKCS #1 v1.5 encryption with fixed padding. @param {Jwk} jwk @param {Buffer} message */
function pkcs1v15(jwk, message) {
  const filler = pseudoRandom("negative PKCS #1", 256 - 3 - message.length).map((byte) => byte || 1);
  const block = Buffer.concat([Buffer.of(0, 2), filler, Buffer.of(0), message]);
  const key = createPublicKey({ key: jwk, format: "jwk" });
  return b64(publicEncrypt({ key, padding: constants.RSA_NO_PADDING }, block));
}

/** @param {Jwk} rsa */
function additionalData(rsa) {
  const good = seal(rsa);
  const bare = without(seal(rsa, { aad: "" }), "aad");
  const authentic = (/** @type {string | Buffer} */ aad) => seal(rsa, { aad });
  const moved = [
    { name: "moved to another route", binding: "/auth/register" },
    { name: "moved to the RPC of the same route", binding: "/auth.v1.AuthService/Login" },
    { name: "moved to its binding with a slash more", binding: "/auth/login/" },
    { name: "moved to its binding in capitals", binding: "/AUTH/LOGIN" },
    { name: "moved to an empty binding", binding: "" },
  ].map((row) => ({ ...row, expect: invalid, envelope: good }));
  const wrong = {
    "a member more": aadText({ x: 1 }),
    "a __proto__ member more": `{"__proto__":{},${aadText().slice(1)}`,
    "without b": JSON.stringify({ ts: now, jti }),
    "without ts": JSON.stringify({ b: binding, jti }),
    "without jti": JSON.stringify({ b: binding, ts: now }),
    "b null": aadText({ b: null }),
    "b an array": aadText({ b: [binding] }),
    "ts a string": aadText({ ts: String(now) }),
    "ts with a fraction": aadText({ ts: now + 0.5 }),
    "ts null": aadText({ ts: null }),
    "ts beyond 2^53": aadText().replace(String(now), "1e300"),
    "jti a number": aadText({ jti: 1 }),
    "jti of 15 bytes": aadText({ jti: b64(pseudoRandom("negative jti", 15)) }),
    "jti of 17 bytes": aadText({ jti: b64(pseudoRandom("negative jti", 17)) }),
    "jti empty": aadText({ jti: "" }),
    "jti with padding": aadText({ jti: `${jti}==` }),
    "jti with bits after the last byte": aadText({ jti: `${jti.slice(0, -1)}${jti.endsWith("A") ? "B" : "_"}` }),
    "not JSON": "binding",
    "an array": `[${aadText()}]`,
    "a JSON string": JSON.stringify(aadText()),
    null: "null",
    "two objects": `${aadText()}${aadText()}`,
    "a byte order mark before": `\ufeff${aadText()}`,
  };
  return [
    ...moved,
    { name: "aad removed, required", expect: invalid, envelope: without(good, "aad") },
    { name: "aad removed, optional", aad_required: false, expect: invalid, envelope: without(good, "aad") },
    {
      name: "aad added to an envelope without",
      aad_required: false,
      expect: invalid,
      envelope: { ...bare, aad: good.aad },
    },
    { name: "no aad, required", expect: invalid, envelope: bare },
    { name: "no aad, optional", aad_required: false, expect: "ok", plaintext, envelope: bare },
    { name: "an empty aad", aad_required: false, expect: invalid, envelope: { ...bare, aad: "" } },
    { name: "a null aad", aad_required: false, expect: invalid, envelope: { ...bare, aad: null } },
    { name: "a bit of aad flipped", expect: invalid, envelope: { ...good, aad: flip(good.aad, 0) } },
    { name: "aad extended by a space", expect: invalid, envelope: { ...good, aad: b64(`${aadText()} `) } },
    {
      name: "aad reordered after sealing",
      expect: invalid,
      envelope: { ...good, aad: b64(JSON.stringify({ jti, ts: now, b: binding })) },
    },
    {
      name: "aad in another order, authentic",
      expect: "ok",
      plaintext,
      envelope: authentic(JSON.stringify({ jti, ts: now, b: binding })),
    },
    {
      name: "aad with white space, authentic",
      expect: "ok",
      plaintext,
      envelope: authentic(JSON.stringify(JSON.parse(aadText()), null, 2)),
    },
    { name: "aad of 1024 bytes, authentic", expect: "ok", plaintext, envelope: authentic(aadText().padEnd(1024)) },
    { name: "aad of 1025 bytes, authentic", expect: invalid, envelope: authentic(aadText().padEnd(1025)) },
    {
      name: "aad that is not UTF-8, authentic, called by what a lenient decoder makes of it",
      expect: invalid,
      binding: "/auth/l\ufffdgin",
      envelope: authentic(Buffer.from(aadText({ b: "/auth/l\u00f3gin" }), "latin1")),
    },
    ...Object.entries(wrong).map(([name, aad]) => ({
      name: `aad authentic, ${name}`,
      expect: invalid,
      envelope: authentic(aad),
    })),
  ];
}

/** @param {Jwk} jwk */
function times(jwk) {
  const at = (/** @type {number} */ ts) => seal(jwk, { aad: aadText({ ts }) });
  const expired = "envelope_expired";
  return [
    { name: "60 seconds old", expect: "ok", plaintext, envelope: at(now - 60) },
    { name: "61 seconds old", expect: expired, envelope: at(now - 61) },
    { name: "60 seconds from the future", expect: "ok", plaintext, envelope: at(now + 60) },
    { name: "61 seconds from the future", expect: expired, envelope: at(now + 61) },
    { name: "from 1970", expect: expired, envelope: at(0) },
    { name: "from before 1970", expect: expired, envelope: at(-1) },
    { name: "in milliseconds", expect: expired, envelope: at(now * 1000) },
    { name: "old and moved: the binding comes first", expect: invalid, binding: "/auth/register", envelope: at(0) },
  ];
}
