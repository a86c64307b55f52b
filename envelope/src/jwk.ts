import { decodeBase64url } from "./base64url.ts";
import type { Bytes } from "./bytes.ts";
import { type FrontAlg, maxKidLength } from "./envelope.ts";

/** A key of the server's set whose `use` is `enc_front`, or its private half. Members not named here are left alone. */
export type FrontJwk = {
  readonly kty?: string | undefined;
  readonly kid?: string | undefined;
  readonly alg?: string | undefined;
  readonly use?: string | undefined;
  readonly crv?: string | undefined;
  readonly n?: string | undefined;
  readonly e?: string | undefined;
  readonly x?: string | undefined;
  readonly y?: string | undefined;
  readonly d?: string | undefined;
  readonly p?: string | undefined;
  readonly q?: string | undefined;
  readonly dp?: string | undefined;
  readonly dq?: string | undefined;
  readonly qi?: string | undefined;
};

/** The key's `kid`; throws a TypeError when it has none that fits, or when the key is for another algorithm. */
export function kidOf({ kid, alg }: FrontJwk, expected: FrontAlg): string {
  if (alg !== expected) throw new TypeError(`a front key of this kty and crv has alg ${expected}`);
  if (typeof kid !== "string" || kid.length === 0 || kid.length > maxKidLength) {
    throw new TypeError("a front key has a kid of at most 128 characters");
  }
  return kid;
}

/**
 * Only the named members, each a string. The rest stays out of WebCrypto's import, which throws on `use: "enc_front"`
 * and on `key_ops` that do not match.
 */
export function pickMembers(jwk: FrontJwk, names: readonly (keyof FrontJwk)[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, textMember(jwk, name)]));
}

/** The bytes of a base64url member; throws a TypeError when it is missing or not canonical. */
export function binaryMember(jwk: FrontJwk, name: keyof FrontJwk): Bytes {
  const bytes = decodeBase64url(textMember(jwk, name));
  if (bytes === undefined) throw new TypeError(`the front key's ${name} is not base64url`);
  return bytes;
}

function textMember(jwk: FrontJwk, name: keyof FrontJwk): string {
  const value = jwk[name];
  if (typeof value !== "string") throw new TypeError(`the front key lacks ${name}`);
  return value;
}
