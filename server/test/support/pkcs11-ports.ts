import { createHash, createPublicKey, type JsonWebKey, type KeyObject, randomBytes } from "node:crypto";
import { calculateJwkThumbprint, type JWK } from "jose";
import type { SigningDevice } from "../../src/crypto/jws.ts";
import { AuthError } from "../../src/domain/errors.ts";
import { lengthPrefixed } from "../../src/kms/key-wrap.ts";
import { rewrapHere } from "../../src/kms/rewrap-here.ts";
import type { Kms, WrapContext } from "../../src/service/ports.ts";
import type { TestKms } from "./kms-providers.ts";
import type { Pkcs11Device } from "./pkcs11-device.ts";

const IV_BYTES = 12;
const TAG_BYTES = 16;
const FORM = /^pkcs11\.(master-\d+)\.([A-Za-z0-9_-]+)$/;

/** The signing port on a device: an ES256 key that is made there and stays there. */
export async function openDeviceSigner(device: Pkcs11Device, label: string) {
  await device.ask({ operation: "makeSigningKey", label });
  const point = (await device.ask({ operation: "publicPoint", label })) as Buffer;
  const [x, y] = [point.subarray(1, 33), point.subarray(33)].map((part) => part.toString("base64url"));
  const jwk = { kty: "EC", crv: "P-256", x, y } as JsonWebKey;
  const kid = await calculateJwkThumbprint(jwk as JWK);
  const signer: SigningDevice = {
    kid,
    alg: "ES256",
    async sign(input) {
      const data = createHash("sha256").update(input).digest("base64");
      return unlessGone(async () => (await device.ask({ operation: "sign", label, data })) as Buffer);
    },
  };
  const publicKey: KeyObject = createPublicKey({ key: jwk, format: "jwk" });
  return { signer, publicKey, jwk: { ...jwk, kid, alg: "ES256", use: "sig" } as JWK };
}

/** The wrapping port on a device: AES-256-GCM under a master key that is made there and stays there. */
export async function openDeviceKms(device: Pkcs11Device): Promise<TestKms> {
  let active = 0;
  const rotate = async () => {
    active += 1;
    await device.ask({ operation: "makeMasterKey", label: `master-${active}` });
  };
  await rotate();
  const kms: Kms = {
    async wrap(secret, context) {
      const label = `master-${active}`;
      const iv = randomBytes(IV_BYTES);
      const data = Buffer.from(secret).toString("base64");
      const parameters = { iv: iv.toString("base64"), aad: aadOf(label, context) };
      const sealed = await unlessGone(() => device.ask({ operation: "encrypt", label, data, ...parameters }));
      return `pkcs11.${label}.${Buffer.concat([iv, sealed as Buffer]).toString("base64url")}`;
    },
    async unwrap(wrapped, context) {
      const [, label, encoded] = FORM.exec(wrapped) ?? [];
      if (label === undefined || encoded === undefined) return undefined;
      const bytes = Buffer.from(encoded, "base64url");
      if (bytes.toString("base64url") !== encoded || bytes.length < IV_BYTES + TAG_BYTES) return undefined;
      const parameters = { iv: bytes.toString("base64", 0, IV_BYTES), aad: aadOf(label, context) };
      const data = bytes.toString("base64", IV_BYTES);
      const secret = await unlessGone(() =>
        device.ask({ operation: "decrypt", label, data, ...parameters }).catch(ignoreWhatDoesNotOpen),
      );
      return secret && { secret, isCurrent: label === `master-${active}` };
    },
  };
  const provider = {
    ...kms,
    rewrap: (wrapped: string, context: WrapContext) => rewrapHere(kms, wrapped, context),
    [Symbol.dispose]: () => {},
  };
  return { kms: provider, rotate, open: async () => provider };
}

function aadOf(label: string, { purpose, subject }: WrapContext): string {
  return lengthPrefixed(["pkcs11", label, purpose, subject]).toString("base64");
}

/** SoftHSM calls a tag that does not fit a general error. */
function ignoreWhatDoesNotOpen(error: Error): undefined {
  if (!/CKR_GENERAL_ERROR|CKR_ENCRYPTED_DATA_INVALID|no one key/.test(error.message)) throw error;
  return undefined;
}

async function unlessGone<T>(use: () => Promise<T>): Promise<T> {
  try {
    return await use();
  } catch (cause) {
    throw new AuthError("unavailable", { cause });
  }
}
