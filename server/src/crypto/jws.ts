import { constants, type KeyObject, sign, verify } from "node:crypto";
import { promisify } from "node:util";
import { decodeBase64url } from "./base64url.ts";
import type { SignatureAlgorithmName } from "./key-algorithms.ts";

const signOffLoop = promisify(sign);

type SignatureAlgorithm = {
  sign(key: KeyObject, data: Buffer): Buffer | Promise<Buffer>;
  verify(key: KeyObject, data: Buffer, signature: Buffer): boolean;
};

/** RFC 7518 section 3.4: the signature is r and s, each of 32 bytes, not DER. */
const p1363 = { dsaEncoding: "ieee-p1363" } as const;
/** RFC 7518 section 3.5: the salt is as long as the hash. */
const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 } as const;

/** Elliptic curves sign in some 50 µs, less than a hop to another thread; RSA takes milliseconds and leaves the loop. */
const ALGORITHMS: Record<SignatureAlgorithmName, SignatureAlgorithm> = {
  ES256: {
    sign: (key, data) => sign("sha256", data, { key, ...p1363 }),
    verify: (key, data, signature) => verify("sha256", data, { key, ...p1363 }, signature),
  },
  EdDSA: {
    sign: (key, data) => sign(null, data, key),
    verify: (key, data, signature) => verify(null, data, key, signature),
  },
  RS256: {
    sign: (key, data) => signOffLoop("sha256", data, key),
    verify: (key, data, signature) => verify("sha256", data, key, signature),
  },
  PS256: {
    sign: (key, data) => signOffLoop("sha256", data, { key, ...pss }),
    verify: (key, data, signature) => verify("sha256", data, { key, ...pss }, signature),
  },
};

export type SigningKey = { kid: string; alg: SignatureAlgorithmName; privateKey: KeyObject };
/** A key that signs where it lives: in a device, or in another process. The signature has the form that RFC 7518 gives its `alg`. */
export type SigningDevice = { kid: string; alg: SignatureAlgorithmName; sign(input: Buffer): Promise<Buffer> };
export type Signer = SigningKey | SigningDevice;
export type VerifyingKey = { kid: string; alg: SignatureAlgorithmName; publicKey: KeyObject };

/** Signs a payload as a JWS in compact form (RFC 7515 section 7.1). */
export async function signCompact(key: Signer, typ: string, payload: string): Promise<string> {
  const header = JSON.stringify({ alg: key.alg, typ, kid: key.kid });
  const input = `${encodeText(header)}.${encodeText(payload)}`;
  const bytes = Buffer.from(input, "ascii");
  const signature = await ("privateKey" in key ? ALGORITHMS[key.alg].sign(key.privateKey, bytes) : key.sign(bytes));
  return `${input}.${signature.toString("base64url")}`;
}

/**
 * The payload of a JWS in compact form, or undefined when anything is wrong with it. The key says the algorithm; the header
 * has to agree and may hold `alg`, `typ` and `kid` alone, so that no `crit`, `jku`, `jwk` or `x5u` is ever looked at.
 */
export function verifyCompact(
  findKey: (kid: string) => VerifyingKey | undefined,
  typ: string,
  jws: string,
): Buffer | undefined {
  const [protectedPart = "", payloadPart = "", signaturePart = "", ...rest] = jws.split(".");
  const header = readHeader(protectedPart);
  const payload = decodeBase64url(payloadPart);
  const signature = decodeBase64url(signaturePart);
  if (rest.length > 0 || header === undefined || payload === undefined || signature === undefined) return undefined;
  if (!hasExactly(header, ["alg", "typ", "kid"]) || header["typ"] !== typ || typeof header["kid"] !== "string") {
    return undefined;
  }
  const key = findKey(header["kid"]);
  if (key === undefined || header["alg"] !== key.alg) return undefined;
  const input = Buffer.from(`${protectedPart}.${payloadPart}`, "ascii");
  return ALGORITHMS[key.alg].verify(key.publicKey, input, signature) ? payload : undefined;
}

/** The JSON object of a protected header, or undefined. */
export function readHeader(part: string): Record<string, unknown> | undefined {
  const bytes = decodeBase64url(part);
  if (bytes === undefined) return undefined;
  try {
    const header: unknown = JSON.parse(bytes.toString("utf8"));
    return typeof header === "object" && header !== null && !Array.isArray(header)
      ? (header as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

export function hasExactly(header: Record<string, unknown>, members: string[]): boolean {
  const keys = Object.keys(header);
  return keys.length === members.length && members.every((member) => Object.hasOwn(header, member));
}

export function encodeText(text: string): string {
  return Buffer.from(text, "utf8").toString("base64url");
}
