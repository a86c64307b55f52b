import { createHash, randomBytes, X509Certificate } from "node:crypto";
import type { ServiceSecrets } from "../service/backend-ports.ts";
import { decodeBase64url } from "./base64url.ts";

const PREFIX = "sa_";
const SECRET_BYTES = 32;

/** Secrets of service accounts: `sa_` and 32 random bytes in base64url. Only the SHA-256 of one is ever stored. */
export const serviceSecrets: ServiceSecrets = {
  create() {
    const secret = PREFIX + randomBytes(SECRET_BYTES).toString("base64url");
    return { secret, hash: hash(secret) };
  },

  parse(secret) {
    if (!secret.startsWith(PREFIX)) return undefined;
    return decodeBase64url(secret.slice(PREFIX.length))?.length === SECRET_BYTES ? hash(secret) : undefined;
  },
};

/** The SHA-256 of the DER of a certificate, which RFC 8705 binds tokens to. @throws TypeError for what is no certificate. */
export function certificateSha256(pem: Buffer): Buffer {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(pem);
  } catch {
    throw new TypeError("the file holds no certificate in PEM");
  }
  return createHash("sha256").update(certificate.raw).digest();
}

function hash(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}
