import { decodeBase64url } from "./base64url.ts";
import { type Bytes, utf8 } from "./bytes.ts";
import { maxKidLength } from "./envelope.ts";
import { EnvelopeError } from "./errors.ts";
import { hasMembers, readJsonObject } from "./json.ts";
import { type FrontJwk, pickMembers } from "./jwk.ts";

/** A public key of the server's set. Only those whose `use` is `sig` verify anything. */
export type SigJwk = Pick<FrontJwk, "kty" | "kid" | "alg" | "use" | "crv" | "n" | "e" | "x" | "y">;

type SignatureAlgorithm = {
  readonly members: readonly (keyof SigJwk)[];
  readonly importAs: { readonly name: string; readonly namedCurve?: string; readonly hash?: string };
  readonly verifyAs: { readonly name: string; readonly hash?: string; readonly saltLength?: number };
};

const rsaMembers = ["kty", "n", "e"] as const;
const minModulusBits = 2048;

/** RFC 7518 section 3.1 and RFC 8037 section 3.1: what of a JWK is imported, and how its signatures are verified. */
const algorithms: ReadonlyMap<unknown, SignatureAlgorithm> = new Map<string, SignatureAlgorithm>([
  [
    "ES256",
    {
      members: ["kty", "crv", "x", "y"],
      importAs: { name: "ECDSA", namedCurve: "P-256" },
      verifyAs: { name: "ECDSA", hash: "SHA-256" },
    },
  ],
  [
    "RS256",
    {
      members: rsaMembers,
      importAs: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
      verifyAs: { name: "RSASSA-PKCS1-v1_5" },
    },
  ],
  [
    "PS256",
    {
      members: rsaMembers,
      importAs: { name: "RSA-PSS", hash: "SHA-256" },
      verifyAs: { name: "RSA-PSS", saltLength: 32 },
    },
  ],
  ["EdDSA", { members: ["kty", "crv", "x"], importAs: { name: "Ed25519" }, verifyAs: { name: "Ed25519" } }],
]);

/**
 * The payload of a JWS in compact form (RFC 7515 section 3.1) whose header is exactly `alg`, `kid` and that `typ`, signed by a
 * `sig` key of the set with the algorithm that the key names. Throws `envelope_unknown_key` when a well-formed one names a key
 * that is not there, `envelope_invalid` when anything else is wrong, and a `NotSupportedError` when this platform cannot
 * verify the key's algorithm.
 */
export async function verifyJws(jws: unknown, keys: readonly SigJwk[], expectedTyp: string): Promise<Bytes> {
  const { header, payload, signature, signed } = parseCompact(jws);
  const { alg, kid, typ, ...rest } = readJsonObject(header);
  if (typ !== expectedTyp || typeof alg !== "string" || hasMembers(rest)) invalid();
  if (typeof kid !== "string" || kid.length > maxKidLength) invalid();
  const jwk = keys.find((key) => key.use === "sig" && key.kid === kid);
  if (jwk === undefined) throw new EnvelopeError("envelope_unknown_key");
  const algorithm = algorithms.get(jwk.alg);
  if (algorithm === undefined || jwk.alg !== alg) invalid();
  const key = await importKey(jwk, algorithm);
  if (!(await crypto.subtle.verify(algorithm.verifyAs, key, signature, signed))) invalid();
  return payload;
}

function parseCompact(jws: unknown) {
  const parts = typeof jws === "string" ? jws.split(".") : [];
  const [header, payload, signature] = parts.map(decodeBase64url);
  if (parts.length !== 3 || !header || !payload || !signature) invalid();
  return { header, payload, signature, signed: utf8(`${parts[0]}.${parts[1]}`) };
}

async function importKey(jwk: SigJwk, { members, importAs }: SignatureAlgorithm): Promise<CryptoKey> {
  try {
    const key = await crypto.subtle.importKey("jwk", pickMembers(jwk, members), importAs, false, ["verify"]);
    const { modulusLength = minModulusBits } = key.algorithm as Partial<RsaHashedKeyAlgorithm>;
    if (modulusLength < minModulusBits) invalid();
    return key;
  } catch (error) {
    if (!(error instanceof DOMException) || error.name !== "NotSupportedError") invalid();
    const message = `The handshake is signed with ${jwk.alg}, which this platform cannot verify.`;
    throw new DOMException(message, "NotSupportedError");
  }
}

function invalid(): never {
  throw new EnvelopeError("envelope_invalid");
}
