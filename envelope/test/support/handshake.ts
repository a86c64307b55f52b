import { constants, createPrivateKey, type JsonWebKey, sign } from "node:crypto";
import {
  acceptKeyShare,
  type CurveName,
  type FrontAnswer,
  type FrontEnvelope,
  type HandshakeOptions,
  handshakeProofTyp,
  importOpener,
  importRecipient,
  openChannel,
  openRequest,
  sealHandshake,
} from "../../src/index.ts";
import { channelFile } from "./channel-vectors.ts";
import { positives } from "./vectors.ts";

export const binding = "/auth/handshake";
export const now = 1_800_000_000;
export const sid = "EBESExQVFhcYGRobHB0eHw";
export const sigKeys = channelFile.sig_jwks;

const { public_jwk, private_jwk } = positives.at(-1) as (typeof positives)[number];
const [recipient, opener] = await Promise.all([importRecipient(public_jwk), importOpener(private_jwk)]);

const signatures: Record<string, { hash: string | null; more: object }> = {
  ES256: { hash: "sha256", more: { dsaEncoding: "ieee-p1363" } },
  RS256: { hash: "sha256", more: {} },
  PS256: { hash: "sha256", more: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 } },
  EdDSA: { hash: null, more: {} },
};

/** A JWS as the server's crypto room makes it. */
export function signProof(payload: string, alg = "ES256"): string {
  const jwk = channelFile.sig_private_jwks.find((candidate) => candidate.alg === alg);
  const signature = signatures[alg];
  if (jwk === undefined || signature === undefined) throw new Error(`no ${alg} key`);
  const header = JSON.stringify({ alg, kid: jwk.kid, typ: handshakeProofTyp });
  const signed = [header, payload].map((part) => Buffer.from(part).toString("base64url")).join(".");
  const key = { key: createPrivateKey({ key: jwk as JsonWebKey, format: "jwk" }), ...signature.more };
  return `${signed}.${sign(signature.hash, Buffer.from(signed), key).toString("base64url")}`;
}

export const begin = (options: Partial<HandshakeOptions> = {}) =>
  sealHandshake(recipient, { binding, now, ...options });

export type AnswerMembers = { sid: string; expires_in: number; key_share?: unknown; proof?: unknown };

/** The server of a handshake in either form; `spoil` changes what the answer holds. */
export async function answerHandshake(
  envelope: FrontEnvelope,
  { alg = "ES256", spoil = (answer: AnswerMembers): unknown => answer } = {},
) {
  const opened = await openRequest(() => opener, envelope, { binding, now, aadRequired: true });
  const { key_share } = JSON.parse(new TextDecoder().decode(opened.plaintext));
  const accepted = key_share && (await acceptKeyShare(key_share, opened.contentKey));
  const proof = accepted && signProof(accepted.proofPayload({ sid, binding, expiresIn: 900 }), alg);
  const members = { sid, expires_in: 900, ...(accepted && { key_share: accepted.keyShare, proof }) };
  const root: Uint8Array = accepted?.root ?? opened.contentKey;
  const answer: FrontAnswer = await opened.sealAnswer(JSON.stringify(spoil(members)));
  return { request: key_share, answer, root };
}

/** Both ends of a channel, just opened. */
export async function connect(keyShare?: CurveName) {
  const { envelope, openAnswer } = await begin(keyShare ? { keyShare } : {});
  const { answer, root } = await answerHandshake(envelope);
  const { channel: client } = await openAnswer(answer, { sigKeys });
  return { client, server: await openChannel({ sid, root }), root };
}
