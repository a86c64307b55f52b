/** An access token, made and opened: by the raw operations of node:crypto alone, by the product, and by jose. */
import * as crypto from "node:crypto";
import { CompactEncrypt, compactDecrypt, importJWK, jwtVerify, SignJWT } from "jose";
import { systemClock } from "../../../server/dist/clock.js";
import { createAccessTokens } from "../../../server/dist/crypto/access-tokens.js";
import { createStoredKey, openStoredKey } from "../../../server/dist/crypto/key-file.js";
import { createKeyRing } from "../../../server/dist/crypto/key-ring.js";
import { onAsk, rateOf, ready, settings } from "../child.mjs";

const now = new Date();
const stored = await Promise.all([
  createStoredKey({ use: "sig", alg: "ES256", rsaBits: 2048 }, "active", now),
  createStoredKey({ use: "enc", alg: "ECDH-ES+A256KW", crv: "X25519", rsaBits: 2048 }, "active", now),
]);
const [signing, encryption] = await Promise.all(stored.map(openStoredKey));
const ring = createKeyRing();
ring.replace([signing, encryption], { signatureAlg: "ES256", encryptionAlg: "ECDH-ES+A256KW" });
const tokenSettings = { issuer: "http://localhost:8080", audience: "sello", ttlS: 900, nested: true };
const newAccessTokens = () => createAccessTokens({ keys: ring, clock: systemClock, settings: tokenSettings });

const accessTokens = newAccessTokens();
const user = { ...settings.user, createdAt: now, mfaEnabled: false, dataPublic: {} };
const session = { id: crypto.randomUUID(), authenticatedAt: now };
const sample = await accessTokens.issue(user, session);
const ciphertextBytes = Buffer.from(sample.split(".")[3], "base64url").length;

/** ES256 over the claims, a fresh X25519 key, one agreement, one KDF, one key wrap, one AES-256-GCM. No JSON, no base64url. */
const KEY_WRAP_IV = Buffer.alloc(8, 0xa6);
const signed = Buffer.alloc(Math.round(ciphertextBytes * 0.8), 97);
const plaintext = Buffer.alloc(ciphertextBytes, 97);
function rawIssue() {
  crypto.randomBytes(16);
  crypto.sign("sha256", signed, { key: signing.privateKey, dsaEncoding: "ieee-p1363" });
  const { privateKey } = crypto.generateKeyPairSync("x25519");
  const secret = crypto.diffieHellman({ privateKey, publicKey: encryption.publicKey });
  const kek = crypto.createHash("sha256").update(secret).digest();
  const cek = crypto.randomBytes(32);
  const wrap = crypto.createCipheriv("id-aes256-wrap", kek, KEY_WRAP_IV);
  wrap.update(cek);
  wrap.final();
  const cipher = crypto.createCipheriv("aes-256-gcm", cek, crypto.randomBytes(12));
  cipher.update(plaintext);
  cipher.final();
  cipher.getAuthTag();
}

const [joseSign, joseEncrypt] = await Promise.all(stored.map((jwk) => importJWK(withoutState(jwk))));
const [joseVerify, joseEncryptTo] = await Promise.all(stored.map((jwk) => importJWK(withoutState(jwk, "d"))));
function withoutState({ state: _state, since: _since, use: _use, ...jwk }, ...names) {
  return Object.fromEntries(Object.entries(jwk).filter(([name]) => !names.includes(name)));
}
const utf8 = new TextEncoder();
async function joseIssue() {
  const jws = await new SignJWT({
    sid: session.id,
    roles: user.roles,
    permissions: user.permissions,
    username: user.username,
  })
    .setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid: signing.kid })
    .setIssuer(tokenSettings.issuer)
    .setAudience(tokenSettings.audience)
    .setSubject(user.id)
    .setJti(crypto.randomBytes(16).toString("base64url"))
    .setIssuedAt()
    .setNotBefore("0s")
    .setExpirationTime("900s")
    .sign(joseSign);
  return new CompactEncrypt(utf8.encode(jws))
    .setProtectedHeader({ alg: "ECDH-ES+A256KW", enc: "A256GCM", cty: "JWT", kid: encryption.kid })
    .encrypt(joseEncryptTo);
}
async function joseOpen() {
  const { plaintext: jws } = await compactDecrypt(sample, joseEncrypt);
  const { issuer, audience } = tokenSettings;
  await jwtVerify(jws, joseVerify, { issuer, audience, typ: "at+jwt", clockTolerance: 30 });
}

/** Each once only, by a verifier that is new when all were seen: nothing comes from its memory. */
const tokens = await Promise.all(Array.from({ length: 500 }, () => accessTokens.issue(user, session)));
let verifier = newAccessTokens();
function openUnseen(i) {
  if (i % tokens.length === 0) verifier = newAccessTokens();
  return verifier.verify(tokens[i % tokens.length]);
}

const operations = {
  rawIssue,
  productIssue: () => accessTokens.issue(user, session),
  joseIssue,
  productOpen: openUnseen,
  productOpenSeen: () => accessTokens.verify(sample),
  joseOpen,
};
onAsk(({ operation, ms }) => rateOf(operations[operation], ms));
ready();
