import type { KeySettings } from "../../src/crypto/key-store.ts";

/** The defaults, with RSA keys that are quick to make. */
export function testKeySettings(dir: string): KeySettings {
  return {
    dir,
    signingAlg: "ES256",
    encryptionAlg: "ECDH-ES+A256KW",
    encryptionCrv: "X25519",
    frontCrv: "P-256",
    rsaBits: 2048,
    graceS: 1260,
  };
}
