import { contentKeyBytes } from "./aes-gcm.ts";
import { type Bytes, concat, utf8 } from "./bytes.ts";
import { type Curve, type CurveName, curves } from "./curves.ts";
import { agreeWithStranger, type EphemeralPair, generatePair } from "./ecdh.ts";
import { type EphemeralKey, parseEphemeralKey } from "./envelope.ts";
import { EnvelopeError } from "./errors.ts";
import { handshakeProofPayload } from "./handshake-proof.ts";
import { hkdfSha256 } from "./hkdf.ts";

const info = utf8("sello/1 channel");

/** One side's half of a forward-secret handshake: drawn for it, and forgotten with it. */
export type OwnShare = EphemeralPair & { readonly curve: Curve; readonly keyShare: EphemeralKey };

export type AcceptedKeyShare = {
  /** The server's ephemeral public key, for the answer. */
  keyShare: EphemeralKey;
  /** The channel's root, 32 bytes. */
  root: Uint8Array;
  /** The text to sign as the payload of the answer's `proof`; `expiresIn` in seconds. */
  proofPayload(about: { sid: string; binding: string; expiresIn: number }): string;
};

/**
 * The server's side of a forward-secret handshake: draws its key share on the client's curve and agrees on the root. The
 * private half is forgotten when this resolves. `clientShare` is the `key_share` of the opened handshake, `contentKey` its
 * envelope's. Rejects with `envelope_invalid` when the share is not a public key of P-256 or X25519, or gives no secret.
 */
export async function acceptKeyShare(clientShare: unknown, contentKey: Uint8Array): Promise<AcceptedKeyShare> {
  const { curveName, point: clientPoint } = parseKeyShare(clientShare);
  const own = await createShare(curveName);
  const points = { clientPoint, serverPoint: own.point };
  const root = await channelRoot(contentKey, await agreeWithStranger(own.curve, own.privateKey, clientPoint), points);
  return {
    keyShare: own.keyShare,
    root,
    proofPayload: ({ sid, binding, expiresIn }) =>
      handshakeProofPayload({ sid, binding, expiresInS: expiresIn, ...points }),
  };
}

export async function createShare(curveName: CurveName): Promise<OwnShare> {
  const curve = curves[curveName];
  const pair = await generatePair(curve);
  return { ...pair, curve, keyShare: curve.toEphemeralKey(pair.point) };
}

/** The root of a forward-secret channel: to know it takes the content key and one of the ephemeral keys. Overwrites `shared`. */
export async function channelRoot(
  contentKey: Uint8Array,
  shared: Bytes,
  { clientPoint, serverPoint }: { readonly clientPoint: Bytes; readonly serverPoint: Bytes },
): Promise<Bytes> {
  if (contentKey.length !== contentKeyBytes) throw new RangeError("a content key has 32 bytes");
  const secret = concat(contentKey, shared);
  const root = await hkdfSha256(secret, { salt: concat(clientPoint, serverPoint), info, length: contentKeyBytes });
  secret.fill(0);
  shared.fill(0);
  return root;
}

function parseKeyShare(input: unknown): { curveName: CurveName; point: Bytes } {
  const share = parseEphemeralKey(input);
  if (!isCurveName(share.crv)) throw new EnvelopeError("envelope_invalid");
  return { curveName: share.crv, point: curves[share.crv].pointOfEphemeralKey(share) };
}

function isCurveName(crv: string): crv is CurveName {
  return Object.hasOwn(curves, crv);
}
