import { createHash, type JsonWebKey, type KeyObject } from "node:crypto";
import type { Opener } from "@sello/envelope";
import { AuthError } from "../domain/errors.ts";
import type { DecryptionKey, EncryptionKey } from "./jwe.ts";
import type { SigningKey, VerifyingKey } from "./jws.ts";
import type { Curve, KeyUse } from "./key-algorithms.ts";

export type KeyState = "next" | "active" | "grace";

/** A key that this server holds, ready for use. */
export type RingKey = {
  kid: string;
  use: KeyUse;
  alg: string;
  crv: Curve | undefined;
  state: KeyState;
  since: Date;
  privateKey: KeyObject;
  publicKey: KeyObject;
  publicJwk: PublicJwk;
  webKey: DecryptionKey["webKey"];
  opener: Opener | undefined;
};
export type PublicJwk = Pick<JsonWebKey, "crv" | "x" | "y" | "n" | "e"> & {
  kty: string;
  use: KeyUse;
  kid: string;
  alg: string;
};

/** The keys of this moment. Look-ups are by `kid` in a Map; nothing is fetched for an unknown one. */
export type KeyRing = {
  readonly version: number;
  /** @throws AuthError `unavailable` when no key is active. */
  signer(): SigningKey;
  encrypter(): EncryptionKey;
  findVerifier(kid: string): VerifyingKey | undefined;
  findDecrypter(kid: string): DecryptionKey | undefined;
  findOpener(kid: string): Opener | undefined;
  /** What is published, the key to use first in each use. */
  published(): PublishedKeys;
  /** Every key with its place in the rotation, the one to use first in each use. */
  all(): readonly RingKey[];
  onChange(listener: () => void): void;
};
export type PublishedKeys = { keys: PublicJwk[]; etag: string };

export type ReplaceableKeyRing = KeyRing & { replace(keys: RingKey[], wanted: WantedKeys): void };
export type WantedKeys = { signatureAlg: string; encryptionAlg: string };

const STATE_ORDER: KeyState[] = ["active", "next", "grace"];

export function createKeyRing(): ReplaceableKeyRing {
  const listeners: (() => void)[] = [];
  let version = 0;
  let byUse = new Map<KeyUse, Map<string, RingKey>>();
  let signer: RingKey | undefined;
  let encrypter: RingKey | undefined;
  let ordered: RingKey[] = [];
  let publishedKeys: PublishedKeys = { keys: [], etag: '""' };

  const find = (use: KeyUse, kid: string) => byUse.get(use)?.get(kid);

  return {
    get version() {
      return version;
    },
    signer: () => required(signer) as RingKey & SigningKey,
    encrypter: () => required(encrypter) as RingKey & EncryptionKey,
    findVerifier: (kid) => find("sig", kid) as (RingKey & VerifyingKey) | undefined,
    findDecrypter: (kid) => find("enc", kid) as (RingKey & DecryptionKey) | undefined,
    findOpener: (kid) => find("enc_front", kid)?.opener,
    published: () => publishedKeys,
    all: () => ordered,
    onChange: (listener) => {
      listeners.push(listener);
    },

    replace(keys, wanted) {
      ordered = [...keys].sort(
        (a, b) => STATE_ORDER.indexOf(a.state) - STATE_ORDER.indexOf(b.state) || b.since.getTime() - a.since.getTime(),
      );
      byUse = new Map();
      for (const key of ordered) {
        const ofUse = byUse.get(key.use) ?? new Map<string, RingKey>();
        byUse.set(key.use, ofUse.set(key.kid, key));
      }
      const active = ordered.filter((key) => key.state === "active");
      // A key that is gone is used no more, also when nothing took its place: what it signs nobody would accept.
      const stillThere = (key: RingKey | undefined) => key && find(key.use, key.kid);
      signer = active.find((key) => key.use === "sig" && key.alg === wanted.signatureAlg) ?? stillThere(signer);
      encrypter = active.find((key) => key.use === "enc" && key.alg === wanted.encryptionAlg) ?? stillThere(encrypter);
      publishedKeys = publish(ordered);
      version++;
      for (const listener of listeners) listener();
    },
  };
}

function publish(ordered: RingKey[]): PublishedKeys {
  const keys = ordered.map((key) => key.publicJwk);
  const etag = `"${createHash("sha256").update(JSON.stringify(keys)).digest("base64url").slice(0, 22)}"`;
  return { keys, etag };
}

function required(key: RingKey | undefined): RingKey {
  if (key === undefined) throw new AuthError("unavailable", { cause: new Error("the key ring has no active key") });
  return key;
}
