import { ecdhOpener, ecdhRecipient } from "./ecdh-es.ts";
import type { Opener, Recipient } from "./front-key.ts";
import type { FrontJwk } from "./jwk.ts";
import { type Primitives, webCrypto } from "./primitives.ts";
import { rsaOpener, rsaRecipient } from "./rsa-oaep.ts";

type KeyKind = {
  recipient(jwk: FrontJwk): Promise<Recipient>;
  opener(jwk: FrontJwk, primitives: Primitives): Promise<Opener>;
};

const rsa: KeyKind = { recipient: rsaRecipient, opener: rsaOpener };
const p256: KeyKind = {
  recipient: (jwk) => ecdhRecipient("P-256", jwk),
  opener: (jwk, primitives) => ecdhOpener("P-256", jwk, primitives),
};
const x25519: KeyKind = {
  recipient: (jwk) => ecdhRecipient("X25519", jwk),
  opener: (jwk, primitives) => ecdhOpener("X25519", jwk, primitives),
};

/**
 * The public key that requests are sealed for, from the server's key set: RSA of at least 2048 bits with
 * `alg: "RSA-OAEP-256"`, or P-256 or X25519 with `alg: "ECDH-ES"`. Import it once. Only its public members are read; choosing
 * by `use` is the caller's. Rejects with a TypeError, or with WebCrypto's own error, when the key cannot be used.
 */
export async function importRecipient(jwk: FrontJwk): Promise<Recipient> {
  return await kindOf(jwk).recipient(jwk);
}

/**
 * The private half of such a key. Import it once, it costs an operation with the key: it proves here, rather than at the
 * first request, that its public and private members belong together, and rejects with a TypeError when not.
 * RSA is always WebCrypto's: milliseconds that belong to another thread.
 */
export async function importOpener(privateJwk: FrontJwk, primitives: Primitives = webCrypto): Promise<Opener> {
  const kind = kindOf(privateJwk);
  const [opener, recipient] = await Promise.all([kind.opener(privateJwk, primitives), kind.recipient(privateJwk)]);
  const { contentKey, carrier } = await recipient.createContentKey();
  const recovered = await opener.recoverContentKey(carrier);
  if (!recovered.every((byte, i) => byte === contentKey[i])) throw new TypeError("the front key's halves do not match");
  return opener;
}

function kindOf({ kty, crv }: FrontJwk): KeyKind {
  if (kty === "RSA") return rsa;
  if (kty === "EC" && crv === "P-256") return p256;
  if (kty === "OKP" && crv === "X25519") return x25519;
  throw new TypeError("a front key is RSA, P-256 or X25519");
}
