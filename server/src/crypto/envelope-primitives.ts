import {
  createCipheriv,
  createDecipheriv,
  createECDH,
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  diffieHellman,
} from "node:crypto";
import type { Agreement, CurveName, FrontJwk, HkdfInput, Primitives } from "@sello/envelope";

/** RFC 7518 section 5.3. Node would take tags from 4 bytes on. */
const ALGORITHM = "aes-256-gcm";
const TAG_BYTES = 16;
const OPTIONS = { authTagLength: TAG_BYTES } as const;
/** The output of SHA-256: what one round of HKDF's expansion gives. */
const HASH_BYTES = 32;

type Bytes = Uint8Array<ArrayBuffer>;

const AGREEMENTS: Record<CurveName, (jwk: FrontJwk) => Agreement> = {
  "P-256": ({ d }) => {
    const key = createECDH("prime256v1");
    key.setPrivateKey(Buffer.from(String(d), "base64url"));
    return (point) => new Uint8Array(key.computeSecret(point));
  },
  X25519: ({ kty, crv, x, d }) => {
    const privateKey = createPrivateKey({ key: { kty, crv, x, d } as never, format: "jwk" });
    return (point) => {
      const jwk = { kty: "OKP", crv: "X25519", x: Buffer.from(point).toString("base64url") };
      return new Uint8Array(diffieHellman({ privateKey, publicKey: createPublicKey({ key: jwk, format: "jwk" }) }));
    };
  },
};

/**
 * Envelopes on `node:crypto`. A message is a few kilobytes and an agreement on a curve some 100 µs: less than WebCrypto's trips
 * to another thread, and no password hash stands before it there.
 */
export const nodePrimitives: Primitives = {
  importKey(raw) {
    const key = createSecretKey(raw);
    return {
      seal(plaintext, { iv, additionalData }) {
        const cipher = createCipheriv(ALGORITHM, key, iv, OPTIONS).setAAD(additionalData);
        return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
      },
      open(ct, { iv, additionalData }) {
        const decipher = createDecipheriv(ALGORITHM, key, iv, OPTIONS).setAAD(additionalData);
        decipher.setAuthTag(ct.subarray(ct.length - TAG_BYTES));
        const opened = decipher.update(ct.subarray(0, ct.length - TAG_BYTES));
        // Nothing leaves before the tag was checked.
        return Buffer.concat([opened, decipher.final()]);
      },
    };
  },
  hkdfSha256,
  hmacSha256,
  importAgreement: (curve, jwk) => AGREEMENTS[curve](jwk),
};

/** RFC 5869 with one round of expansion: two HMACs cost half of Node's own `hkdfSync`. */
function hkdfSha256(secret: Bytes, { salt, info, length }: HkdfInput): Bytes {
  if (length > HASH_BYTES) throw new RangeError(`at most ${HASH_BYTES} bytes are derived here`);
  const extracted = hmacSha256(salt, secret);
  const expanded = createHmac("sha256", extracted).update(info).update(FIRST_ROUND).digest();
  return new Uint8Array(expanded.subarray(0, length));
}

const FIRST_ROUND = Uint8Array.of(1);

function hmacSha256(key: Bytes, data: Bytes): Bytes {
  return new Uint8Array(createHmac("sha256", key).update(data).digest());
}
