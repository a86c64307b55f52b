import { contentKeyBytes } from "./aes-gcm.ts";
import { encodeBase64url } from "./base64url.ts";
import { randomBytes } from "./bytes.ts";
import { binaryOfLength } from "./envelope.ts";
import type { Opener, Recipient } from "./front-key.ts";
import { type FrontJwk, kidOf, pickMembers } from "./jwk.ts";

const alg = "RSA-OAEP-256";
/** RSA-OAEP with SHA-256 for both the label and MGF1, and no label (RFC 7518 section 4.3). */
const rsaOaep256 = { name: "RSA-OAEP", hash: "SHA-256" };
const minModulusBits = 2048;

export async function rsaRecipient(jwk: FrontJwk): Promise<Recipient> {
  const kid = kidOf(jwk, alg);
  const key = await crypto.subtle.importKey("jwk", pickMembers(jwk, ["kty", "n", "e"]), rsaOaep256, false, ["encrypt"]);
  checkModulus(key);
  return {
    kid,
    alg,
    async createContentKey() {
      const contentKey = randomBytes(contentKeyBytes);
      const cek = new Uint8Array(await crypto.subtle.encrypt(rsaOaep256, key, contentKey));
      return { contentKey, carrier: { cek: encodeBase64url(cek) } };
    },
  };
}

export async function rsaOpener(jwk: FrontJwk): Promise<Opener> {
  const kid = kidOf(jwk, alg);
  const members = pickMembers(jwk, ["kty", "n", "e", "d", "p", "q", "dp", "dq", "qi"]);
  const key = await crypto.subtle.importKey("jwk", members, rsaOaep256, false, ["decrypt"]);
  const modulusBytes = Math.ceil(checkModulus(key) / 8);
  return {
    kid,
    alg,
    async recoverContentKey({ cek }) {
      const wrapped = binaryOfLength(cek, modulusBytes);
      // An error of the unwrapping, told apart from an error of the tag by a word or by time, is Manger's oracle
      // (RFC 8017 section 7.1.2): so it becomes an error of the tag. The decoy is drawn whether it is needed or not.
      const decoy = randomBytes(contentKeyBytes);
      const unwrapped = await crypto.subtle.decrypt(rsaOaep256, key, wrapped).then(
        (buffer) => new Uint8Array(buffer),
        () => decoy,
      );
      return unwrapped.length === contentKeyBytes ? unwrapped : decoy;
    },
  };
}

function checkModulus(key: CryptoKey): number {
  const { modulusLength } = key.algorithm as RsaHashedKeyAlgorithm;
  if (modulusLength < minModulusBits) throw new TypeError(`an RSA front key has at least ${minModulusBits} bits`);
  return modulusLength;
}
