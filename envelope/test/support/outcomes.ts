import { importContentKey } from "../../src/aes-gcm.ts";
import { openAnswer } from "../../src/answer.ts";
import { decodeBase64url } from "../../src/base64url.ts";
import { type Bytes, utf8Text } from "../../src/bytes.ts";
import { EnvelopeError, importOpener, type Opener, openRequest, type Primitives } from "../../src/index.ts";
import type { AnswerRow, NegativeFile, PositiveCase, PositiveFile, RequestRow } from "./vectors.ts";

/** Runs in Node and in a page alike. */

export type Outcome = { code: string; plaintext?: string };

export function bytes(text: string): Bytes {
  const decoded = decodeBase64url(text);
  if (decoded === undefined) throw new TypeError("not base64url");
  return decoded;
}

export async function openersOf(
  { private_jwks }: Pick<NegativeFile, "private_jwks">,
  primitives?: Primitives,
): Promise<Map<string, Opener>> {
  const openers = await Promise.all(private_jwks.map((jwk) => importOpener(jwk, primitives)));
  return new Map(openers.map((opener) => [opener.kid, opener]));
}

export async function requestOutcome(
  openers: ReadonlyMap<string, Opener>,
  row: RequestRow,
  primitives?: Primitives,
): Promise<Outcome> {
  const { binding, now, aad_required: aadRequired } = row;
  const options = { binding, now, aadRequired, ...(primitives && { primitives }) };
  return await outcome(async () => (await openRequest((kid) => openers.get(kid), row.envelope, options)).plaintext);
}

export async function answerOutcome(row: AnswerRow): Promise<Outcome> {
  const key = await importContentKey(bytes(row.content_key));
  return await outcome(() => openAnswer(key, { binding: row.binding, re: row.jti ?? undefined }, row.answer));
}

/** What the table says the outcome is. */
export function expectedOutcome({ expect, plaintext }: { expect: string; plaintext?: string }): Outcome {
  return plaintext === undefined ? { code: expect } : { code: expect, plaintext };
}

/** Opens a positive case and what its server would answer; the values are those the vector must agree with. */
export async function openCase(privateJwk: PositiveFile["private_jwk"], sample: PositiveCase, primitives?: Primitives) {
  const opener = await importOpener(privateJwk, primitives);
  const { binding, ts } = sample;
  const options = { binding, now: ts ?? 0, aadRequired: ts !== undefined, ...(primitives && { primitives }) };
  const opened = await openRequest(() => opener, sample.envelope, options);
  const key = await importContentKey(bytes(sample.content_key));
  const answer = await openAnswer(key, { binding: sample.binding, re: sample.jti }, sample.answer.sealed);
  return {
    plaintext: utf8Text(new Uint8Array(opened.plaintext)),
    replay_id: opened.replayId,
    ts: opened.issuedAt,
    answer: utf8Text(answer),
  };
}

export function expectedOpening({ plaintext, replay_id, ts, answer }: PositiveCase) {
  return { plaintext, replay_id, ts, answer: answer.plaintext };
}

/** The code, and the plaintext of what was opened. */
export async function outcome(open: () => Promise<Uint8Array>): Promise<Outcome> {
  try {
    return { code: "ok", plaintext: utf8Text(new Uint8Array(await open())) };
  } catch (error) {
    return { code: error instanceof EnvelopeError ? error.code : `unexpected ${String(error)}` };
  }
}
