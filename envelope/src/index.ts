export { decodeBase64url, encodeBase64url } from "./base64url.ts";
export type { Bytes } from "./bytes.ts";
export type { ClientChannel, SealedMessage } from "./client-channel.ts";
export type { CurveName } from "./curves.ts";
export type { EphemeralKey, FrontAlg, FrontAnswer, FrontEnvelope } from "./envelope.ts";
export { EnvelopeError, type EnvelopeErrorCode } from "./errors.ts";
export type { Opener, Recipient } from "./front-key.ts";
export type { GcmInput, GcmKey } from "./gcm-key.ts";
export {
  type HandshakeStatement,
  handshakeProofPayload,
  handshakeProofTyp,
  verifyHandshakeProof,
} from "./handshake-proof.ts";
export type { HkdfInput } from "./hkdf.ts";
export { importOpener, importRecipient } from "./import-key.ts";
export type { FrontJwk } from "./jwk.ts";
export type { SigJwk } from "./jws.ts";
export { type AcceptedKeyShare, acceptKeyShare } from "./key-share.ts";
export {
  type ChannelAnswerContext,
  type ChannelOptions,
  channelAnswerKey,
  type OpenedMessage,
  openChannel,
  type ServerChannel,
  sealChannelAnswer,
} from "./open-channel.ts";
export { type AnswerContext, type OpenedRequest, type OpenOptions, openRequest, sealAnswerTo } from "./open-request.ts";
export type { Agreement, Primitives } from "./primitives.ts";
export { type HandshakeOptions, type OpenedHandshake, type SealedHandshake, sealHandshake } from "./seal-handshake.ts";
export { type SealedRequest, type SealOptions, sealRequest } from "./seal-request.ts";
export {
  maxMessages,
  type ParsedSessionEnvelope,
  parseSessionEnvelope,
  type SessionEnvelope,
} from "./session-envelope.ts";
