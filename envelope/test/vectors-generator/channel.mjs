import { b64, ecdhKey, gcm, hkdf, pseudoRandom, rawPoint, sharedSecret } from "./primitives.mjs";
import { jws } from "./signing.mjs";

/** @typedef {import("./primitives.mjs").Jwk} Jwk */

export const expiresIn = 900;

const messages = [
  {
    n: 1,
    binding: "/auth/login",
    plaintext: '{"email":"ana@example.com","password":"correct horse battery staple"}',
    answer: '{"access_token":"example","token_type":"Bearer","expires_in":900}',
  },
  {
    n: 1_048_576,
    binding: "/auth.v1.AuthService/ChangePassword",
    plaintext: '{"new_password":"contraseña größer 密码"}',
    answer: "{}",
  },
];

/** Both forms of the handshake, on both curves, with every value on the way. @param {Jwk[]} sigKeys */
export function channelFile(sigKeys) {
  return {
    description: "Channels: handshakes, keys, messages and answers. Members: see README.md beside this file.",
    sig_private_jwks: sigKeys,
    sig_jwks: sigKeys.map(publicSigKey),
    cases: [
      plainCase(),
      forwardSecretCase("P-256", "/auth/handshake", sigKeys),
      forwardSecretCase("X25519", "/auth.v1.ChannelService/Handshake", sigKeys),
    ],
  };
}

/** @param {Jwk} jwk */
export const publicSigKey = ({ kty, crv, x, y, n, e, kid, alg, use }) =>
  JSON.parse(JSON.stringify({ kty, crv, x, y, n, e, kid, alg, use }));

/** Members by name, as every file of vectors has them. @param {{ sid: string, binding: string, client: string, server: string }} about */
export const proofPayload = ({ sid, binding, client, server }) =>
  JSON.stringify({ sid, b: binding, client, server, expires_in: expiresIn });

/** @param {string} label */
export const sidOf = (label) => b64(pseudoRandom(`${label} sid`, 16));

/** @param {Buffer} root @param {string} sid */
export const keysOf = (root, sid) => ({
  c2s: hkdf(root, Buffer.from(sid), "sello/1 c2s"),
  s2c: hkdf(root, Buffer.from(sid), "sello/1 s2c"),
});

/** @param {"c2s" | "s2c"} direction @param {string} sid @param {number | string} n @param {string} binding */
export const aadOf = (direction, sid, n, binding) => `sello/1|${direction}|${sid}|${n}|${binding}`;

function plainCase() {
  const label = "channel, plain form";
  const root = pseudoRandom(`${label} content key`, 32);
  const sid = sidOf(label);
  return {
    name: "plain form",
    binding: "/auth/handshake",
    content_key: b64(root),
    request: "{}",
    sid,
    expires_in: expiresIn,
    answer: JSON.stringify({ sid, expires_in: expiresIn }),
    ...channelOf(label, root, sid),
  };
}

/** @param {string} crv @param {string} binding @param {Jwk[]} sigKeys */
function forwardSecretCase(crv, binding, sigKeys) {
  const label = `channel, forward-secret form, ${crv}`;
  const contentKey = pseudoRandom(`${label} content key`, 32);
  const client = ecdhKey(crv, `${label} client`);
  const server = ecdhKey(crv, `${label} server`);
  const shared = sharedSecret(client, server);
  const salt = Buffer.concat([rawPoint(client), rawPoint(server)]);
  const root = hkdf(Buffer.concat([contentKey, shared]), salt, "sello/1 channel");
  const sid = sidOf(label);
  const points = { client: b64(rawPoint(client)), server: b64(rawPoint(server)) };
  const payload = proofPayload({ sid, binding, ...points });
  const proofs = sigKeys.map((jwk) => ({ alg: jwk.alg, kid: jwk.kid, proof: jws(jwk, payload) }));
  const { d: clientD, ...clientShare } = client;
  const { d: serverD, ...serverShare } = server;
  return {
    name: `forward-secret form, ${crv}`,
    binding,
    content_key: b64(contentKey),
    client_d: clientD,
    server_d: serverD,
    request: JSON.stringify({ key_share: clientShare }),
    sid,
    expires_in: expiresIn,
    key_shares: { client: clientShare, server: serverShare },
    points,
    shared_secret: b64(shared),
    hkdf_salt: b64(salt),
    hkdf_info: "sello/1 channel",
    proof_payload: payload,
    proofs,
    answer: JSON.stringify({ sid, expires_in: expiresIn, key_share: serverShare, proof: proofs[0]?.proof }),
    ...channelOf(label, root, sid),
  };
}

/** @param {string} label @param {Buffer} root @param {string} sid */
function channelOf(label, root, sid) {
  const { c2s, s2c } = keysOf(root, sid);
  return {
    root: b64(root),
    c2s_key: b64(c2s),
    s2c_key: b64(s2c),
    messages: messages.map(({ n, binding, plaintext, answer }) => ({
      n,
      binding,
      plaintext,
      ...sealed(c2s, `${label} ${n}`, { sid, n, aad: aadOf("c2s", sid, n, binding), plaintext }),
      answer: {
        plaintext: answer,
        ...sealed(s2c, `${label} ${n} answer`, { sid, n, aad: aadOf("s2c", sid, n, binding), plaintext: answer }),
      },
    })),
  };
}

/** @param {Buffer} key @param {string} label @param {{ sid: string, n: number, aad: string, plaintext: string }} message */
function sealed(key, label, { sid, n, aad, plaintext }) {
  const iv = pseudoRandom(`${label} iv`, 12);
  return { aad, envelope: { sid, n, iv: b64(iv), ct: b64(gcm({ key, iv, aad: Buffer.from(aad), plaintext })) } };
}
