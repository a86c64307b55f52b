import { readFileSync } from "node:fs";
import type { FrontAnswer, FrontEnvelope, FrontJwk } from "../../src/index.ts";

export type PositiveCase = {
  name: string;
  binding: string;
  ts?: number;
  jti?: string;
  aad?: string;
  plaintext: string;
  content_key: string;
  shared_secret?: string;
  hkdf_salt?: string;
  hkdf_info?: string;
  envelope: FrontEnvelope;
  replay_id?: string;
  answer: { plaintext: string; iv: string; aad: string; sealed: FrontAnswer };
};

export type PositiveFile = { now: number; private_jwk: FrontJwk; public_jwk: FrontJwk; cases: PositiveCase[] };

export type RequestRow = {
  name: string;
  expect: string;
  binding: string;
  now: number;
  aad_required: boolean;
  envelope: unknown;
  plaintext?: string;
};

export type AnswerRow = {
  name: string;
  expect: string;
  binding: string;
  jti: string | null;
  content_key: string;
  answer: unknown;
  plaintext?: string;
};

export type NegativeFile = { private_jwks: FrontJwk[]; requests: RequestRow[]; answers: AnswerRow[] };

export const vectorsFolder = new URL("../../vectors/", import.meta.url);

export const positiveNames = ["rsa-oaep-256-2048", "rsa-oaep-256-3072", "ecdh-es-p256", "ecdh-es-x25519"] as const;

export const positives: PositiveFile[] = positiveNames.map((name) => read(`${name}.json`));
export const negatives: NegativeFile = read("negative.json");

/** Every positive case with the key it is sealed for. */
export const positiveCases = positives.flatMap(({ cases, ...file }, i) =>
  cases.map((sample) => ({ ...file, ...sample, title: `${positiveNames[i]}: ${sample.name}` })),
);

export function read<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(name, vectorsFolder), "utf8"));
}
