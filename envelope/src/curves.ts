import { encodeBase64url } from "./base64url.ts";
import { type Bytes, concat } from "./bytes.ts";
import { binaryOfLength, type EphemeralKey } from "./envelope.ts";
import { EnvelopeError } from "./errors.ts";
import { binaryMember, type FrontJwk, pickMembers } from "./jwk.ts";

export type CurveName = "P-256" | "X25519";

/** What differs between the curves. A point is its raw public key: what WebCrypto imports and what salts the key. */
export type Curve = {
  readonly algorithm: { readonly name: string; readonly namedCurve?: string };
  /** The point of a front key; throws a TypeError when a coordinate is missing or has another length. */
  pointOfJwk(jwk: FrontJwk): Bytes;
  /** The point of a sender's key; throws `envelope_invalid` when it is of another curve or not well formed. */
  pointOfEphemeralKey(epk: EphemeralKey | undefined): Bytes;
  toEphemeralKey(point: Bytes): EphemeralKey;
  privateMembers(jwk: FrontJwk): Record<string, string>;
};

const coordinateBytes = 32;
/** SEC 1 section 2.3.3: an uncompressed point. */
const uncompressed = Uint8Array.of(4);

const p256: Curve = {
  algorithm: { name: "ECDH", namedCurve: "P-256" },
  pointOfJwk: (jwk) => concat(uncompressed, coordinateOfJwk(jwk, "x"), coordinateOfJwk(jwk, "y")),
  pointOfEphemeralKey(epk) {
    if (epk?.kty !== "EC" || epk.crv !== "P-256") throw new EnvelopeError("envelope_invalid");
    return concat(uncompressed, binaryOfLength(epk.x, coordinateBytes), binaryOfLength(epk.y, coordinateBytes));
  },
  toEphemeralKey: (point) => ({
    kty: "EC",
    crv: "P-256",
    x: encodeBase64url(point.subarray(1, 1 + coordinateBytes)),
    y: encodeBase64url(point.subarray(1 + coordinateBytes)),
  }),
  privateMembers: (jwk) => pickMembers(jwk, ["kty", "crv", "x", "y", "d"]),
};

const x25519: Curve = {
  algorithm: { name: "X25519" },
  pointOfJwk: (jwk) => coordinateOfJwk(jwk, "x"),
  pointOfEphemeralKey(epk) {
    if (epk?.kty !== "OKP" || epk.crv !== "X25519" || epk.y !== undefined) throw new EnvelopeError("envelope_invalid");
    return binaryOfLength(epk.x, coordinateBytes);
  },
  toEphemeralKey: (point) => ({ kty: "OKP", crv: "X25519", x: encodeBase64url(point) }),
  privateMembers: (jwk) => pickMembers(jwk, ["kty", "crv", "x", "d"]),
};

export const curves: Readonly<Record<CurveName, Curve>> = { "P-256": p256, X25519: x25519 };

function coordinateOfJwk(jwk: FrontJwk, name: "x" | "y"): Bytes {
  const coordinate = binaryMember(jwk, name);
  if (coordinate.length !== coordinateBytes)
    throw new TypeError(`the front key's ${name} has ${coordinateBytes} bytes`);
  return coordinate;
}
