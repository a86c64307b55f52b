// Writes envelope/vectors/*.json. `--check` writes nothing and fails when a file is not what it would write.
// RSA keys cannot be derived from a label, so those of the existing files are kept.
import { generateKeyPairSync } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { channelFile } from "./channel.mjs";
import { negativeFile } from "./negative.mjs";
import { negativeChannelFile } from "./negative-channel.mjs";
import { positiveFile, withNames } from "./positive.mjs";
import { ecdhKey } from "./primitives.mjs";
import { asSigKey, ed25519Key, es256Key } from "./signing.mjs";

const folder = new URL("../../vectors/", import.meta.url);

/** @param {string} file @param {number} modulusLength */
function rsaKey(file, modulusLength) {
  const url = new URL(file, folder);
  if (existsSync(url)) return JSON.parse(readFileSync(url, "utf8")).private_jwk;
  return withNames(generateKeyPairSync("rsa", { modulusLength }).privateKey.export({ format: "jwk" }), "RSA-OAEP-256");
}

/** @param {string} alg */
function rsaSigKey(alg) {
  const url = new URL("channel.json", folder);
  const kept = existsSync(url) ? JSON.parse(readFileSync(url, "utf8")).sig_private_jwks : [];
  const made = () =>
    asSigKey(generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" }), alg);
  return kept.find((/** @type {{ alg: string }} */ jwk) => jwk.alg === alg) ?? made();
}

const rsa = rsaKey("rsa-oaep-256-2048.json", 2048);
const otherRsa = rsaKey("rsa-oaep-256-3072.json", 3072);
const p256 = withNames(ecdhKey("P-256", "P-256 front key"));
const x25519 = withNames(ecdhKey("X25519", "X25519 front key"));
const sigKeys = [
  es256Key("ES256 signing key"),
  rsaSigKey("RS256"),
  rsaSigKey("PS256"),
  ed25519Key("EdDSA signing key"),
];

const files = {
  "rsa-oaep-256-2048.json": positiveFile("RSA-OAEP-256 with 2048 bits", rsa),
  "rsa-oaep-256-3072.json": positiveFile("RSA-OAEP-256 with 3072 bits", otherRsa),
  "ecdh-es-p256.json": positiveFile("ECDH-ES on P-256", p256),
  "ecdh-es-x25519.json": positiveFile("ECDH-ES on X25519", x25519),
  "negative.json": negativeFile({ rsa, otherRsa, p256, x25519 }),
  "channel.json": channelFile(sigKeys),
  "channel-negative.json": negativeChannelFile({ sigKeys, encKey: p256 }),
};

const check = process.argv.includes("--check");
for (const [name, content] of Object.entries(files)) {
  const url = new URL(name, folder);
  const text = `${JSON.stringify(content, null, 2)}\n`;
  if (!check) writeFileSync(url, text);
  else if (readFileSync(url, "utf8") !== text) {
    process.stderr.write(`${name} is not what the generator makes\n`);
    process.exitCode = 1;
  }
}
