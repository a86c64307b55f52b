import { aadOf, expiresIn, keysOf, publicSigKey, sidOf } from "./channel.mjs";
import { proofRows, statement } from "./negative-proofs.mjs";
import { b64, ecdhKey, gcm, hkdf, pseudoRandom, unb64 } from "./primitives.mjs";
import { flip, invalid, without } from "./sealing.mjs";

/** @typedef {import("./primitives.mjs").Jwk} Jwk */

const binding = "/auth/login";
const plaintext = '{"email":"ana@example.com"}';
const root = pseudoRandom("negative channel root", 32);
const sid = sidOf("negative channel");
const otherRoot = pseudoRandom("negative other channel root", 32);
const otherSid = sidOf("negative other channel");
const { c2s, s2c } = keysOf(root, sid);
const n = 7;
const maxN = 1_048_576;

/**
 * What a channel must refuse. Each message is authentic but for what its name says: an implementation that forgets the check
 * opens it.
 * @param {{ sigKeys: Jwk[], encKey: Jwk }} keys
 */
export function negativeChannelFile({ sigKeys, encKey }) {
  return {
    description: "Messages, answers, proofs and key shares to refuse. Members: see README.md beside this file.",
    sid,
    root: b64(root),
    sig_jwks: [...sigKeys, encKey].map(publicSigKey),
    messages: both("c2s").map((row) => ({ binding, ...row })),
    answers: [...both("s2c"), ...answersOnly()].map((row) => ({ binding, n, ...row })),
    statement: { ...statement, expires_in: expiresIn },
    proofs: proofRows(sigKeys, encKey),
    key_shares: shareRows(),
  };
}

/**
 * @param {"c2s" | "s2c"} direction
 * @param {{ key?: Buffer, aad?: string, n?: unknown, named?: unknown, sid?: string, iv?: Buffer, tagBytes?: number, plaintext?: string }} [change]
 * @returns {Record<string, any>}
 */
function seal(direction, change = {}) {
  const used = { sid, n, iv: pseudoRandom(`negative channel ${direction} iv`, 12), plaintext, ...change };
  const key = change.key ?? { c2s, s2c }[direction];
  const aad = Buffer.from(change.aad ?? aadOf(direction, used.sid, /** @type {number} */ (used.n), binding));
  const ct = gcm({ key, iv: used.iv, aad, plaintext: used.plaintext, tagBytes: change.tagBytes ?? 16 });
  return { sid: used.sid, n: change.named ?? used.n, iv: b64(used.iv), ct: b64(ct) };
}

/** The rows that are the same for a message at the server and for an answer at the client. @param {"c2s" | "s2c"} direction */
function both(direction) {
  const good = seal(direction);
  const back = direction === "c2s" ? "s2c" : "c2s";
  const own = { c2s, s2c }[direction];
  const info = `sello/1 ${direction}`;
  const refuse = (/** @type {string} */ name, /** @type {unknown} */ envelope) => ({ name, expect: invalid, envelope });
  return [
    { name: "untouched", expect: "ok", plaintext, envelope: good },
    { name: "an unknown member is ignored", expect: "ok", plaintext, envelope: { ...good, enc: "A128GCM" } },
    refuse("of the other direction", seal(back)),
    refuse("of the other direction, under this direction's key", seal(back, { key: own })),
    refuse("of this direction, under the other direction's key", seal(direction, { key: keysOf(root, sid)[back] })),
    refuse("n changed", { ...good, n: n + 1 }),
    refuse("n changed to the greatest", { ...good, n: maxN }),
    refuse("for another call", seal(direction, { aad: aadOf(direction, sid, n, "/auth/register") })),
    refuse(
      "for the same call by its RPC",
      seal(direction, { aad: aadOf(direction, sid, n, "/auth.v1.AuthService/Login") }),
    ),
    refuse("for no call", seal(direction, { aad: `sello/1|${direction}|${sid}|${n}` })),
    refuse("without additional data", seal(direction, { aad: "" })),
    refuse(
      "n written with a leading zero in the additional data",
      seal(direction, { aad: aadOf(direction, sid, `0${n}`, binding) }),
    ),
    refuse(
      "additional data of another version",
      seal(direction, { aad: aadOf(direction, sid, n, binding).replace("/1", "/2") }),
    ),
    refuse("of another channel", seal(direction, { sid: otherSid, key: keysOf(otherRoot, otherSid)[direction] })),
    refuse("of another channel, renamed", {
      ...seal(direction, { sid: otherSid, key: keysOf(otherRoot, otherSid)[direction] }),
      sid,
    }),
    refuse("of another root under the same sid", seal(direction, { key: keysOf(otherRoot, sid)[direction] })),
    refuse("another sid of the same root", seal(direction, { sid: otherSid, key: keysOf(root, otherSid)[direction] })),
    refuse("sid renamed", { ...good, sid: otherSid }),
    refuse("under the root itself", seal(direction, { key: root })),
    refuse("under a key derived without salt", seal(direction, { key: hkdf(root, Buffer.alloc(0), info) })),
    refuse(
      "under a key salted with the sid's bytes instead of its text",
      seal(direction, { key: hkdf(root, unb64(sid), info) }),
    ),
    refuse(
      "under a key derived with another info",
      seal(direction, { key: hkdf(root, Buffer.from(sid), "sello/1 channel") }),
    ),
    ...[8, 11, 13, 16].map((length) =>
      refuse(
        `an IV of ${length} bytes, authentic`,
        seal(direction, { iv: pseudoRandom("negative channel iv", length) }),
      ),
    ),
    ...[4, 8, 12, 13, 14, 15].map((tagBytes) =>
      refuse(`a tag of ${tagBytes} bytes, authentic`, seal(direction, { tagBytes })),
    ),
    refuse("an empty plaintext, authentic", seal(direction, { plaintext: "" })),
    refuse("an empty ct", { ...good, ct: "" }),
    refuse("an empty iv", { ...good, iv: "" }),
    refuse("ct cut to its half", { ...good, ct: b64(unb64(good.ct).subarray(0, 22)) }),
    refuse("ct without its first byte", { ...good, ct: b64(unb64(good.ct).subarray(1)) }),
    refuse("ct without its tag", { ...good, ct: b64(unb64(good.ct).subarray(0, -16)) }),
    refuse("the first bit of ct flipped", { ...good, ct: flip(good.ct, 0) }),
    refuse("the last bit of the tag flipped", { ...good, ct: flip(good.ct, -1) }),
    refuse("a bit of the IV flipped", { ...good, iv: flip(good.iv, 0) }),
    ...[0, -1, 1.5, maxN + 1, 2 ** 53].map((odd) => refuse(`n ${odd}, authentic`, seal(direction, { n: odd }))),
    ...[null, "7", [7], true, {}].map((odd) =>
      refuse(`n of another type: ${JSON.stringify(odd)}`, seal(direction, { named: odd ?? undefined, n: odd })),
    ),
    ...["sid", "n", "iv", "ct"].map((name) => refuse(`without ${name}`, without(good, name))),
    ...["sid", "iv", "ct"].flatMap((name) => [
      ...[null, 1, [good[name]]].map((odd) =>
        refuse(`${name} of another type: ${JSON.stringify(odd).slice(0, 8)}`, { ...good, [name]: odd }),
      ),
      refuse(`${name} with padding`, { ...good, [name]: `${good[name]}==` }),
      refuse(`${name} with a line break`, { ...good, [name]: `${good[name]}\n` }),
      refuse(`${name} with a letter beyond ASCII`, { ...good, [name]: `ñ${good[name].slice(1)}` }),
    ]),
    ...[15, 17].map((length) => {
      const odd = b64(pseudoRandom("negative odd sid", length));
      return refuse(`a sid of ${length} bytes`, seal(direction, { sid: odd, key: keysOf(root, odd)[direction] }));
    }),
    ...[null, "text", 1, [good], []].map((odd) => refuse(`not an object: ${JSON.stringify(odd).slice(0, 12)}`, odd)),
  ];
}

function answersOnly() {
  return [
    { name: "to another message, authentic", expect: invalid, envelope: seal("s2c", { n: n + 1 }) },
    { name: "to another message, renumbered", expect: invalid, envelope: { ...seal("s2c", { n: n + 1 }), n } },
    { name: "a clear-text object instead", expect: invalid, envelope: { ok: true } },
  ];
}

function shareRows() {
  const { d: dOnP256, ...onP256 } = ecdhKey("P-256", "negative channel client");
  const { d: dOnX25519, ...onX25519 } = ecdhKey("X25519", "negative channel client");
  const refuse = (/** @type {string} */ name, /** @type {unknown} */ keyShare) => ({
    name,
    expect: invalid,
    key_share: keyShare,
  });
  const point = (/** @type {string} */ hex) => ({ kty: "OKP", crv: "X25519", x: b64(Buffer.from(hex, "hex")) });
  return [
    { name: "untouched, P-256", expect: "ok", key_share: onP256 },
    { name: "untouched, X25519", expect: "ok", key_share: onX25519 },
    { name: "an unknown member is ignored", expect: "ok", key_share: { ...onP256, kid: "k" } },
    refuse("with d, P-256", { ...onP256, d: dOnP256 }),
    refuse("with d, X25519", { ...onX25519, d: dOnX25519 }),
    refuse("with d null", { ...onP256, d: null }),
    refuse("off the curve", { ...onP256, y: flip(onP256["y"] ?? "", -1) }),
    refuse("at (0, 0)", { ...onP256, x: b64(Buffer.alloc(32)), y: b64(Buffer.alloc(32)) }),
    refuse("beyond the field", { ...onP256, x: b64(Buffer.alloc(32, 0xff)) }),
    refuse("without y", without(onP256, "y")),
    refuse("of X25519 with y", { ...onX25519, y: onP256["y"] }),
    refuse("without x", without(onX25519, "x")),
    refuse("x of 31 bytes", { ...onX25519, x: b64(unb64(onX25519["x"] ?? "").subarray(1)) }),
    refuse("x of 33 bytes", { ...onX25519, x: b64(Buffer.concat([unb64(onX25519["x"] ?? ""), Buffer.of(0)])) }),
    refuse("of P-384", { ...onP256, crv: "P-384" }),
    refuse("of Ed25519", { ...onX25519, crv: "Ed25519" }),
    refuse("crv __proto__", JSON.parse(JSON.stringify({ ...onX25519, crv: "__proto__" }))),
    refuse("kty EC on X25519", { ...onX25519, kty: "EC" }),
    refuse("kty OKP on P-256", { ...onP256, kty: "OKP" }),
    refuse("X25519 point 0", point("00".repeat(32))),
    refuse("X25519 point 1", point(`01${"00".repeat(31)}`)),
    refuse("X25519 point of order 8", point("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")),
    refuse("X25519 point p-1", point(`ec${"ff".repeat(30)}7f`)),
    ...[null, "text", [], [onP256]].map((odd) => refuse(`not an object: ${JSON.stringify(odd).slice(0, 8)}`, odd)),
  ];
}
