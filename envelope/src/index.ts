export type { EphemeralKey, FrontAlg, FrontAnswer, FrontEnvelope } from "./envelope.ts";
export { EnvelopeError, type EnvelopeErrorCode } from "./errors.ts";
export type { Opener, Recipient } from "./front-key.ts";
export { importOpener, importRecipient } from "./import-key.ts";
export type { FrontJwk } from "./jwk.ts";
export { type OpenedRequest, type OpenOptions, openRequest } from "./open-request.ts";
export { type SealedRequest, type SealOptions, sealRequest } from "./seal-request.ts";
