import { decodeBase64url } from "./base64url.ts";
import { type Bytes, utf8 } from "./bytes.ts";
import { maxAadBytes } from "./envelope.ts";
import { EnvelopeError } from "./errors.ts";
import { hasMembers, readJsonObject } from "./json.ts";

export const jtiBytes = 16;

export type RequestAad = {
  readonly binding: string;
  /** Unix seconds. */
  readonly ts: number;
  /** 16 bytes, base64url. */
  readonly jti: string;
};

export type AnswerAad = {
  readonly binding: string;
  /** The request's `jti`, when it had one. */
  readonly re: string | undefined;
};

/** UTF-8 JSON `{"b","ts","jti"}`. Throws a RangeError when the binding makes it longer than 1 KiB. */
export function encodeRequestAad({ binding, ts, jti }: RequestAad): Bytes {
  return encode({ b: binding, ts, jti });
}

/** UTF-8 JSON `{"b","re"}`, or `{"b"}` when the request had no `jti`. */
export function encodeAnswerAad({ binding, re }: AnswerAad): Bytes {
  return encode({ b: binding, re });
}

/**
 * Reads the additional data of a request, to be called once it is authenticated: exactly the three members, of the right
 * types, in any order and spacing, the binding being this call's. Throws `envelope_invalid`.
 */
export function readRequestAad(aad: Bytes, binding: string): { ts: number; jti: string; jtiBytes: Bytes } {
  const { b, ts, jti, ...rest } = readJsonObject(aad);
  if (b !== binding || !isWholeNumber(ts) || typeof jti !== "string" || hasMembers(rest)) invalid();
  const bytes = decodeBase64url(jti);
  if (bytes?.length !== jtiBytes) invalid();
  return { ts, jti, jtiBytes: bytes };
}

/** Throws `envelope_invalid` unless the authenticated additional data names this request and nothing else. */
export function checkAnswerAad(aad: Bytes, { binding, re }: AnswerAad): void {
  const { b, re: answered, ...rest } = readJsonObject(aad);
  if (b !== binding || answered !== re || hasMembers(rest)) invalid();
}

function encode(members: object): Bytes {
  const bytes = utf8(JSON.stringify(members));
  if (bytes.length > maxAadBytes) throw new RangeError("the binding is too long for an envelope");
  return bytes;
}

function isWholeNumber(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

function invalid(): never {
  throw new EnvelopeError("envelope_invalid");
}
