import { contentKeyBytes } from "./aes-gcm.ts";
import { type Bytes, concat, utf8 } from "./bytes.ts";
import { type CurveName, curves } from "./curves.ts";
import { agree, generatePair, importPoint } from "./ecdh.ts";
import { EnvelopeError } from "./errors.ts";
import type { Opener, Recipient } from "./front-key.ts";
import { type FrontJwk, kidOf } from "./jwk.ts";
import { type Agreement, type Primitives, webCrypto } from "./primitives.ts";

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
      const contentKey = await deriveContentKey(webCrypto, shared, { ephemeralPoint: point, recipientPoint });
      return { contentKey, carrier: { epk: curve.toEphemeralKey(point) } };
    },
  };
}

export async function ecdhOpener(curveName: CurveName, jwk: FrontJwk, primitives: Primitives): Promise<Opener> {
  const kid = kidOf(jwk, alg);
  const curve = curves[curveName];
  const ownPoint = curve.pointOfJwk(jwk);
  const agreement = await primitives.importAgreement(curveName, jwk);
  return {
    kid,
    alg,
    async recoverContentKey({ epk }) {
      const ephemeralPoint = curve.pointOfEphemeralKey(epk);
      const shared = await agreeOrRefuse(agreement, ephemeralPoint);
      return await deriveContentKey(primitives, shared, { ephemeralPoint, recipientPoint: ownPoint });
    },
  };
}

/** A point off the curve, or one of small order: both are the sender's doing. RFC 7748 section 6.1 for the zero. */
async function agreeOrRefuse(agreement: Agreement, point: Bytes): Promise<Bytes> {
  let shared: Bytes;
  try {
    shared = await agreement(point);
  } catch {
    throw new EnvelopeError("envelope_invalid");
  }
  if (shared.every((byte) => byte === 0)) throw new EnvelopeError("envelope_invalid");
  return shared;
}

/** Both public keys are the salt, so an envelope cannot be given another ephemeral or another recipient key. */
async function deriveContentKey(
  { hkdfSha256 }: Pick<Primitives, "hkdfSha256">,
  shared: Bytes,
  { ephemeralPoint, recipientPoint }: { ephemeralPoint: Bytes; recipientPoint: Bytes },
): Promise<Bytes> {
  return await hkdfSha256(shared, { salt: concat(ephemeralPoint, recipientPoint), info, length: contentKeyBytes });
}
