import {
  b64,
  ecdhKey,
  gcm,
  hkdf,
  pseudoRandom,
  rawPoint,
  replayId,
  rsaOaep,
  sharedSecret,
  thumbprint,
} from "./primitives.mjs";

/** @typedef {import("./primitives.mjs").Jwk} Jwk */

export const now = 1_800_000_000;

const cases = [
  {
    name: "login, by its route",
    binding: "/auth/login",
    ts: now,
    plaintext: '{"email":"ana@example.com","password":"correct horse battery staple"}',
    answer: '{"access_token":"example","token_type":"Bearer","expires_in":900}',
  },
  {
    name: "registration, by its RPC, beyond ASCII",
    binding: "/auth.v1.AuthService/Register",
    ts: now - 60,
    plaintext: '{"username":"Ñandú 🐦","password":"contraseña größer 密码"}',
    answer: '{"user":{"username":"Ñandú 🐦"}}',
  },
  {
    name: "no additional data",
    binding: "/auth/login",
    ts: undefined,
    plaintext: "{}",
    answer: "{}",
  },
];

/** @param {Jwk} privateJwk @param {string} label */
export function withNames(privateJwk, alg = "ECDH-ES") {
  return { ...privateJwk, kid: thumbprint(privateJwk), alg, use: "enc_front" };
}

/** @param {Jwk} privateJwk */
export const publicPart = ({ kty, crv, x, y, n, e, kid, alg, use }) =>
  JSON.parse(JSON.stringify({ kty, crv, x, y, n, e, kid, alg, use }));

/** Wraps or agrees on a content key: its bytes, the members that carry it, and how it came about. @param {Jwk} jwk @param {string} label */
export function contentKeyFor(jwk, label) {
  if (jwk.kty === "RSA") {
    const contentKey = pseudoRandom(`${label} content key`, 32);
    const seed = pseudoRandom(`${label} OAEP seed`, 32);
    return { contentKey, carrier: { cek: b64(rsaOaep(jwk, contentKey, seed)) }, trace: { oaep_seed: b64(seed) } };
  }
  const ephemeral = ecdhKey(jwk.crv, `${label} ephemeral key`);
  const { d, ...epk } = ephemeral;
  const shared = sharedSecret(ephemeral, jwk);
  const salt = Buffer.concat([rawPoint(epk), rawPoint(jwk)]);
  const info = "sello/1 front";
  return {
    contentKey: hkdf(shared, salt, info),
    carrier: { epk },
    trace: { ephemeral_d: d, shared_secret: b64(shared), hkdf_salt: b64(salt), hkdf_info: info },
  };
}

/** One file: a key and envelopes sealed for it, with every value on the way. @param {string} name @param {Jwk} privateJwk */
export function positiveFile(name, privateJwk) {
  return {
    description: `Stateless envelopes, ${name}. Members: see README.md beside this file.`,
    now,
    private_jwk: privateJwk,
    public_jwk: publicPart(privateJwk),
    cases: cases.map((sample) => positiveCase(privateJwk, sample, `${name} ${sample.name}`)),
  };
}

/** @param {Jwk} jwk @param {typeof cases[number]} sample @param {string} label */
function positiveCase(jwk, { name, binding, ts, plaintext, answer }, label) {
  const { contentKey, carrier, trace } = contentKeyFor(jwk, label);
  const iv = pseudoRandom(`${label} iv`, 12);
  const answerIv = pseudoRandom(`${label} answer iv`, 12);
  const jtiBytes = pseudoRandom(`${label} jti`, 16);
  const bound = ts !== undefined;
  const jti = bound ? b64(jtiBytes) : undefined;
  const aad = bound ? JSON.stringify({ b: binding, ts, jti }) : undefined;
  const answerAad = JSON.stringify({ b: binding, re: jti });
  return {
    name,
    binding,
    ...(bound && { ts, jti, aad }),
    plaintext,
    ...trace,
    content_key: b64(contentKey),
    iv: b64(iv),
    envelope: {
      kid: jwk.kid,
      alg: jwk.alg,
      enc: "A256GCM",
      ...carrier,
      iv: b64(iv),
      ct: b64(gcm({ key: contentKey, iv, aad: Buffer.from(aad ?? ""), plaintext })),
      ...(aad && { aad: b64(aad) }),
    },
    ...(bound && { replay_id: replayId(contentKey, jtiBytes) }),
    answer: {
      plaintext: answer,
      iv: b64(answerIv),
      aad: answerAad,
      sealed: {
        enc: "A256GCM",
        iv: b64(answerIv),
        ct: b64(gcm({ key: contentKey, iv: answerIv, aad: Buffer.from(answerAad), plaintext: answer })),
        aad: b64(answerAad),
      },
    },
  };
}
