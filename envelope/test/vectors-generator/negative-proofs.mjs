import { createHmac, createPublicKey } from "node:crypto";
import { proofPayload, publicSigKey, sidOf } from "./channel.mjs";
import { b64, ecdhKey, pseudoRandom, rawPoint } from "./primitives.mjs";
import { flip, invalid } from "./sealing.mjs";
import { asSigKey, es256Key, jws } from "./signing.mjs";

/** @typedef {import("./primitives.mjs").Jwk} Jwk */

/** What the client saw, in every row. */
export const statement = {
  sid: sidOf("negative channel"),
  binding: "/auth/handshake",
  client: b64(rawPoint(ecdhKey("X25519", "negative proof client"))),
  server: b64(rawPoint(ecdhKey("X25519", "negative proof server"))),
};

/** @param {Jwk[]} sigKeys @param {Jwk} encKey */
export function proofRows([es256, rs256, ps256, edDsa], encKey) {
  const payload = proofPayload(statement);
  const good = jws(es256, payload);
  const [header, body, signature] = /** @type {[string, string, string]} */ (good.split("."));
  const foreign = es256Key("negative foreign signing key");
  const otherPoint = b64(pseudoRandom("negative other point", 32));
  const row = (/** @type {string} */ name, /** @type {unknown} */ proof, expect = invalid) => ({ name, expect, proof });
  const stating = (/** @type {Record<string, unknown>} */ change) =>
    jws(es256, JSON.stringify({ ...JSON.parse(payload), ...change }));
  const headed = (/** @type {Record<string, unknown>} */ change) => jws(es256, payload, { header: change });
  return [
    ...[es256, rs256, ps256, edDsa].map((jwk) => row(`untouched, ${jwk.alg}`, jws(jwk, payload), "ok")),
    row("members in another order", jws(es256, reversed(payload)), "ok"),
    row("alg none, unsigned", jws(es256, payload, { signAs: "none" })),
    row("alg none, signed", headed({ alg: "none" })),
    row("alg HS256 under the public key's DER", hs256(es256, payload, "der")),
    row("alg HS256 under the public key's PEM", hs256(es256, payload, "pem")),
    row("alg PS256 with an RS256 key, authentic", jws(rs256, payload, { signAs: "PS256" })),
    row("alg RS256 with a PS256 key, authentic", jws(ps256, payload, { signAs: "RS256" })),
    row("alg RS256 in the header, signed as PS256 by a PS256 key", jws(ps256, payload, { header: { alg: "RS256" } })),
    row("alg ES384", headed({ alg: "ES384" })),
    row("alg in lower case", headed({ alg: "es256" })),
    row("alg absent", headed({ alg: undefined })),
    row("alg an array", headed({ alg: ["ES256"] })),
    row("a foreign key under a known kid", jws({ ...foreign, kid: es256.kid }, payload)),
    row("a foreign key under its own kid", jws(foreign, payload), "envelope_unknown_key"),
    row(
      "a foreign key that the header brings along",
      jws({ ...foreign, kid: es256.kid }, payload, { header: { jwk: publicSigKey(foreign) } }),
    ),
    row(
      "a key of the set that is not for signatures",
      jws({ ...asSigKey(encKey, "ES256"), kid: encKey.kid }, payload),
      "envelope_unknown_key",
    ),
    row("kid __proto__", headed({ kid: "__proto__" }), "envelope_unknown_key"),
    row("kid empty", headed({ kid: "" }), "envelope_unknown_key"),
    row("kid absent", headed({ kid: undefined })),
    row("kid an array", headed({ kid: [es256.kid] })),
    row("kid of 129 characters", headed({ kid: "k".repeat(129) })),
    ...["JWT", "at+jwt", "Sello-Handshake+JWS", "application/sello-handshake+jws", "", undefined, null].map((typ) =>
      row(`typ ${typ === "" ? "empty" : (typ ?? String(typ))}`, headed({ typ })),
    ),
    ...[{ crit: ["b64"], b64: true }, { crit: [] }, { cty: "JWT" }, { zip: "DEF" }, { jku: "https://example.com" }].map(
      (more) => row(`a header with ${Object.keys(more).join(" and ")}`, headed(more)),
    ),
    row("another unknown typ and an unknown kid", headed({ typ: "JWT", kid: "nobody" })),
    row("another client point", stating({ client: otherPoint })),
    row("another server point", stating({ server: otherPoint })),
    row("the points swapped", stating({ client: statement.server, server: statement.client })),
    row("a point with padding", stating({ client: `${statement.client}=` })),
    row("another sid", stating({ sid: sidOf("negative other channel") })),
    row("another call", stating({ b: "/auth/login" })),
    row("the same call by its RPC", stating({ b: "/auth.v1.ChannelService/Handshake" })),
    row("another lifetime", stating({ expires_in: 901 })),
    row("a lifetime in text", stating({ expires_in: "900" })),
    ...["sid", "b", "client", "server", "expires_in"].map((name) =>
      row(`without ${name}`, stating({ [name]: undefined })),
    ),
    row("a member more", stating({ iat: 1_800_000_000 })),
    row("a payload that is not JSON", jws(es256, "handshake")),
    row("a payload that is an array", jws(es256, `[${payload}]`)),
    row("a payload that is null", jws(es256, "null")),
    row("an empty payload", jws(es256, "")),
    row("the payload changed after signing", `${header}.${b64(payload.replace("900", "901"))}.${signature}`),
    row("the payload detached", `${header}..${signature}`),
    row("a bit of the signature flipped", `${header}.${body}.${flip(signature, 0)}`),
    row("the signature cut", `${header}.${body}.${signature.slice(0, -4)}`),
    row("the signature absent", `${header}.${body}.`),
    row("the signature in DER", jws(es256, payload, { encode: der })),
    row("r and s zero", jws(es256, payload, { encode: () => Buffer.alloc(64) })),
    row("a line break after it", `${good}\n`),
    row("padding after it", `${good}==`),
    row("two parts", `${header}.${body}`),
    row("four parts", `${good}.${signature}`),
    row("five parts, like an encrypted token", `${good}.${body}.${signature}`),
    row("the JSON form", { protected: header, payload: body, signature }),
    row("null", null),
    row("empty", ""),
  ];
}

/** @param {string} payload */
const reversed = (payload) => JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(payload)).reverse()));

/** @param {Jwk} jwk @param {string} payload @param {"der" | "pem"} format */
function hs256(jwk, payload, format) {
  const key = createPublicKey({ key: publicSigKey(jwk), format: "jwk" }).export({ type: "spki", format });
  const header = b64(JSON.stringify({ alg: "HS256", kid: jwk.kid, typ: "sello-handshake+jws" }));
  const signed = `${header}.${b64(payload)}`;
  return `${signed}.${createHmac("sha256", key).update(signed).digest("base64url")}`;
}

/** ASN.1 of an ECDSA signature, which JWS does not take. @param {Buffer} signature */
function der(signature) {
  const integers = [signature.subarray(0, 32), signature.subarray(32)].map((part) =>
    Buffer.concat([Buffer.of(2, 33, 0), part]),
  );
  return Buffer.concat([Buffer.of(0x30, 70), ...integers]);
}
