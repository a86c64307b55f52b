import type { Clock } from "../service/ports.ts";
import type { KeySlot } from "./key-algorithms.ts";
import { type KeyFolder, openKeyFolder } from "./key-folder.ts";
import { createKeyRing, type KeyRing } from "./key-ring.ts";
import { ensureKeys, type RotationContext, retireKey, rotateKeys, rotateWhenDue } from "./key-rotation.ts";
import { watchKeys } from "./key-watch.ts";

export type KeySettings = {
  dir: string;
  signingAlg: "ES256" | "RS256" | "PS256" | "EdDSA";
  encryptionAlg: "ECDH-ES+A256KW" | "RSA-OAEP-256";
  encryptionCrv: "X25519" | "P-256";
  frontCrv: "X25519" | "P-256";
  rsaBits: 2048 | 3072 | 4096;
  graceS: number;
};

/** The keys of a folder: the ring for those who use them, and what operators and schedules do with them. */
export type KeyStore = Disposable & {
  ring: KeyRing;
  rotate(): Promise<void>;
  rotateWhenDue(maxAgeDays: number): Promise<boolean>;
  /** Erases a leaked key at once. Whether there was one. */
  retire(kid: string): Promise<boolean>;
};

/** A slot has no active key, and keys are not generated here. */
export class MissingKeysError extends Error {
  override readonly name = "MissingKeysError";
}

export type OpenKeysOptions = {
  settings: KeySettings;
  clock: Clock;
  /** Whether missing keys are made. Never in production: there a missing key is somebody's mistake. */
  generate: boolean;
  onError(error: unknown): void;
};

/** @throws MissingKeysError when a key is missing and `generate` is false. */
export async function openKeys({ settings, clock, generate, onError }: OpenKeysOptions): Promise<KeyStore> {
  const folder = await openKeyFolder(settings.dir);
  const context = contextOf(folder, settings, clock);
  const missing = await ensureKeys(context(), { generate });
  if (missing.length > 0 && !generate) {
    const names = missing.map(({ use, alg }) => `${use} (${alg})`).join(", ");
    throw new MissingKeysError(`${settings.dir} has no active key for ${names}: run \`npm run cli -- rotate-keys\``);
  }
  const ring = createKeyRing();
  const wanted = { signatureAlg: settings.signingAlg, encryptionAlg: settings.encryptionAlg };
  const watch = await watchKeys(folder, { ring, wanted, onError });
  return {
    ring,
    rotate: () => rotateKeys(context()),
    rotateWhenDue: (maxAgeDays) => rotateWhenDue(context(), maxAgeDays),
    retire: (kid) => retireKey(context(), kid),
    [Symbol.dispose]: () => watch[Symbol.dispose](),
  };
}

/** What the command line does with a folder, without a server: the same rotation, and keys where there are none. */
export async function openKeyFolderForCli(settings: KeySettings, clock: Clock) {
  const context = contextOf(await openKeyFolder(settings.dir), settings, clock);
  return {
    rotate: () => rotateKeys(context()),
    retire: (kid: string) => retireKey(context(), kid),
  };
}

function contextOf(folder: KeyFolder, settings: KeySettings, clock: Clock): () => RotationContext {
  const slots: KeySlot[] = [
    { use: "sig", alg: settings.signingAlg, rsaBits: settings.rsaBits },
    {
      use: "enc",
      alg: settings.encryptionAlg,
      rsaBits: settings.rsaBits,
      ...(settings.encryptionAlg === "ECDH-ES+A256KW" && { crv: settings.encryptionCrv }),
    },
    { use: "enc_front", alg: "RSA-OAEP-256", rsaBits: settings.rsaBits },
    { use: "enc_front", alg: "ECDH-ES", crv: settings.frontCrv },
  ];
  return () => ({ folder, slots, graceS: settings.graceS, now: clock.now() });
}
