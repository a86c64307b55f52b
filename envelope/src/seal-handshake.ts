import { type Bytes, utf8Text } from "./bytes.ts";
import { type ClientChannel, clientChannel } from "./client-channel.ts";
import type { CurveName } from "./curves.ts";
import { agreeWithStranger } from "./ecdh.ts";
import { type FrontAnswer, type FrontEnvelope, parseEphemeralKey } from "./envelope.ts";
import { EnvelopeError } from "./errors.ts";
import type { Recipient } from "./front-key.ts";
import { verifyHandshakeProof } from "./handshake-proof.ts";
import { readJsonObject } from "./json.ts";
import type { SigJwk } from "./jws.ts";
import { channelRoot, createShare, type OwnShare } from "./key-share.ts";
import { type SealOptions, sealKeepingKey } from "./seal-request.ts";
import { readSid } from "./session-envelope.ts";

export type HandshakeOptions = Pick<SealOptions, "binding" | "now" | "jti"> & {
  /**
   * The curve of a forward-secret handshake: who takes the server's front key later cannot read the channel, and who has it
   * already cannot stand between. Absent: the plain form, whose channel is as safe as the front key.
   */
  keyShare?: CurveName;
};

export type SealedHandshake = {
  envelope: FrontEnvelope;
  /** What was sealed, to look at: public values only. */
  plaintext: string;
  /**
   * Opens the answer and, in the forward-secret form, verifies it with the `sig` keys of the server's key set. Rejects with
   * `envelope_unknown_key` when it is signed by none of them: fetch the set again and call this again. With `envelope_invalid`
   * when anything else is wrong, also when the answer has less than was asked for; with a `NotSupportedError` when this platform
   * cannot verify the server's signatures; with a RangeError once it has resolved: a handshake opens one channel.
   */
  openAnswer(answer: FrontAnswer, options?: { sigKeys?: readonly SigJwk[] }): Promise<OpenedHandshake>;
};

export type OpenedHandshake = {
  sid: string;
  /** From when the server answered, in seconds. */
  expiresInS: number;
  /** What the answer held, to look at: public values, and the id. */
  plaintext: string;
  channel: ClientChannel;
};

/** Seals a handshake under a fresh content key. Rejects as `sealRequest` does, or when the platform lacks the curve. */
export async function sealHandshake(
  recipient: Recipient,
  { keyShare: curveName, ...options }: HandshakeOptions,
): Promise<SealedHandshake> {
  const own = curveName && (await createShare(curveName));
  const plaintext = JSON.stringify(own ? { key_share: own.keyShare } : {});
  const { envelope, contentKey, openAnswer } = await sealKeepingKey(recipient, plaintext, options);
  let unused: Bytes | undefined = contentKey;
  // Only a good answer takes the key: a refused one leaves it for another try, and two at once cannot both have it.
  const takeContentKey = () => {
    if (unused === undefined) throw new RangeError("this handshake has opened its channel");
    unused = undefined;
    return contentKey;
  };

  return {
    envelope,
    plaintext,
    async openAnswer(answer, { sigKeys = [] } = {}) {
      const opened = new Uint8Array(await openAnswer(answer));
      const members = readAnswer(opened);
      const { sid, expiresInS } = members;
      const agreement = await (own ? agree(own, members, options.binding, sigKeys) : refuseAgreement(members));
      const root = await rootOf(takeContentKey(), agreement);
      const channel = await clientChannel({ sid, root });
      root.fill(0);
      contentKey.fill(0);
      return { sid, expiresInS, plaintext: utf8Text(opened), channel };
    },
  };
}

type AnswerMembers = { sid: string; expiresInS: number; keyShare: unknown; proof: unknown };
type Agreement = { shared: Bytes; clientPoint: Bytes; serverPoint: Bytes };

function readAnswer(plaintext: Bytes): AnswerMembers {
  const { sid, expires_in, key_share, proof } = readJsonObject(plaintext);
  if (!Number.isSafeInteger(expires_in) || (expires_in as number) < 1) invalid();
  return { sid: readSid(sid), expiresInS: expires_in as number, keyShare: key_share, proof };
}

/** The proof is verified before the private key meets the server's point. */
async function agree(
  { curve, point: clientPoint, privateKey }: OwnShare,
  { sid, expiresInS, keyShare, proof }: AnswerMembers,
  binding: string,
  sigKeys: readonly SigJwk[],
): Promise<Agreement> {
  const serverPoint = curve.pointOfEphemeralKey(parseEphemeralKey(keyShare));
  await verifyHandshakeProof(proof, sigKeys, { sid, binding, clientPoint, serverPoint, expiresInS });
  return { shared: await agreeWithStranger(curve, privateKey, serverPoint), clientPoint, serverPoint };
}

/** A share that was not asked for would make a root that the client does not know. */
function refuseAgreement({ keyShare, proof }: AnswerMembers): undefined {
  if (keyShare !== undefined || proof !== undefined) invalid();
}

async function rootOf(contentKey: Bytes, agreement: Agreement | undefined): Promise<Bytes> {
  return agreement ? await channelRoot(contentKey, agreement.shared, agreement) : contentKey;
}

function invalid(): never {
  throw new EnvelopeError("envelope_invalid");
}
