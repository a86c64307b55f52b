import { contentKeyBytes } from "./aes-gcm.ts";
import { type Bytes, concat, utf8 } from "./bytes.ts";
import { type CurveName, curves } from "./curves.ts";
import { agree, agreeWithStranger, generatePair, importPoint } from "./ecdh.ts";
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
      const { privateKey, point } = await generatePair(curve);
      const shared = await agree(curve, privateKey, publicKey);
      const contentKey = await deriveContentKey(shared, point, recipientPoint);
      return { contentKey, carrier: { epk: curve.toEphemeralKey(point) } };
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

/** Both public keys are the salt, so an envelope cannot be given another ephemeral or another recipient key. */
async function deriveContentKey(shared: Bytes, ephemeralPoint: Bytes, recipientPoint: Bytes): Promise<Bytes> {
  return await hkdfSha256(shared, { salt: concat(ephemeralPoint, recipientPoint), info, length: contentKeyBytes });
}
