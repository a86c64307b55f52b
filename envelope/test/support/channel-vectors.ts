import type { EphemeralKey, SessionEnvelope, SigJwk } from "../../src/index.ts";
import { read } from "./vectors.ts";

export type Sealed = { plaintext: string; aad: string; envelope: SessionEnvelope };

export type ChannelCase = {
  name: string;
  binding: string;
  content_key: string;
  request: string;
  sid: string;
  expires_in: number;
  answer: string;
  root: string;
  c2s_key: string;
  s2c_key: string;
  messages: (Sealed & { n: number; binding: string; answer: Sealed })[];
};

export type ForwardSecretCase = ChannelCase & {
  client_d: string;
  server_d: string;
  key_shares: { client: EphemeralKey; server: EphemeralKey };
  points: { client: string; server: string };
  shared_secret: string;
  hkdf_salt: string;
  hkdf_info: string;
  proof_payload: string;
  proofs: { alg: string; kid: string; proof: string }[];
};

type SigPrivateJwk = SigJwk & { alg: string; kid: string; d: string };

export type ChannelFile = {
  sig_private_jwks: SigPrivateJwk[];
  sig_jwks: SigJwk[];
  cases: [ChannelCase, ForwardSecretCase, ForwardSecretCase];
};

export type Statement = { sid: string; binding: string; client: string; server: string; expires_in: number };
type Row = { name: string; expect: string; plaintext?: string };
export type MessageRow = Row & { binding: string; envelope: unknown };
export type SessionAnswerRow = MessageRow & { n: number };
export type ProofRow = Row & { proof: unknown };
export type ShareRow = Row & { key_share: unknown };

export type NegativeChannelFile = {
  sid: string;
  root: string;
  sig_jwks: SigJwk[];
  messages: MessageRow[];
  answers: SessionAnswerRow[];
  statement: Statement;
  proofs: ProofRow[];
  key_shares: ShareRow[];
};

export const channelFile: ChannelFile = read("channel.json");
export const negativeChannel: NegativeChannelFile = read("channel-negative.json");

export const [, ...forwardSecretCases] = channelFile.cases;
