import { contentKeyBytes } from "./aes-gcm.ts";
import { type Bytes, concat, utf8 } from "./bytes.ts";
import { type Curve, type CurveName, curves } from "./curves.ts";
import { EnvelopeError } from "./errors.ts";
import type { Opener, Recipient } from "./front-key.ts";
import { hkdfSha256 } from "./hkdf.ts";
import { type FrontJwk, kidOf } from "./jwk.ts";

const alg = "ECDH-ES";
const info = utf8("sello/1 front");

export async function ecdhRecipient(curveName: CurveName, jwk: FrontJwk): Promise<Recipient> {
  const kid = kidOf(jwk, alg);
  const curve = curves[curveName];
  const recipientPoint = curve.pointOfJwk(jwk);
  const publicKey = await importPoint(curve, recipientPoint);
  return {
    kid,
    alg,
    async createContentKey() {
      const ephemeral = await generatePair(curve);
      const [ephemeralPoint, shared] = await Promise.all([
        crypto.subtle.exportKey("raw", ephemeral.publicKey).then((raw) => new Uint8Array(raw)),
        agree(curve, ephemeral.privateKey, publicKey),
      ]);
      const contentKey = await deriveContentKey(shared, ephemeralPoint, recipientPoint);
      return { contentKey, carrier: { epk: curve.toEphemeralKey(ephemeralPoint) } };
    },
  };
}

export async function ecdhOpener(curveName: CurveName, jwk: FrontJwk): Promise<Opener> {
  const kid = kidOf(jwk, alg);
  const curve = curves[curveName];
  const ownPoint = curve.pointOfJwk(jwk);
  const privateKey = await crypto.subtle.importKey("jwk", curve.privateMembers(jwk), curve.algorithm, false, [
    "deriveBits",
  ]);
  return {
    kid,
    alg,
    async recoverContentKey({ epk }) {
      const ephemeralPoint = curve.pointOfEphemeralKey(epk);
      const shared = await agreeWithStranger(curve, privateKey, ephemeralPoint);
      return await deriveContentKey(shared, ephemeralPoint, ownPoint);
    },
  };
}

/** A point off the curve fails at the import, one of small order at the agreement: both are the sender's doing. */
async function agreeWithStranger(curve: Curve, privateKey: CryptoKey, point: Bytes): Promise<Bytes> {
  try {
    return await agree(curve, privateKey, await importPoint(curve, point));
  } catch {
    throw new EnvelopeError("envelope_invalid");
  }
}

async function agree({ algorithm }: Curve, privateKey: CryptoKey, publicKey: CryptoKey): Promise<Bytes> {
  const parameters = { name: algorithm.name, public: publicKey };
  const shared = new Uint8Array(await crypto.subtle.deriveBits(parameters, privateKey, 256));
  // RFC 7748 section 6.1. WebCrypto checks too; a polyfill or an old browser may not.
  if (shared.every((byte) => byte === 0)) throw new RangeError("the shared secret is zero");
  return shared;
}

/** Both public keys are the salt, so an envelope cannot be given another ephemeral or another recipient key. */
async function deriveContentKey(shared: Bytes, ephemeralPoint: Bytes, recipientPoint: Bytes): Promise<Bytes> {
  return await hkdfSha256(shared, { salt: concat(ephemeralPoint, recipientPoint), info, length: contentKeyBytes });
}

async function importPoint({ algorithm }: Curve, point: Bytes): Promise<CryptoKey> {
  return await crypto.subtle.importKey("raw", point, algorithm, false, []);
}

async function generatePair({ algorithm }: Curve): Promise<CryptoKeyPair> {
  return (await crypto.subtle.generateKey(algorithm, false, ["deriveBits"])) as CryptoKeyPair;
}
