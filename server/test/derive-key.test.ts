import { describe, expect, onTestFinished, test } from "vitest";
import { createHashPool } from "../src/crypto/hash-pool.ts";
import { createPasswordHasher } from "../src/crypto/passwords.ts";

const PEPPER = "a pepper of at least 32 characters";

function open(settings: { memoryKib?: number; passes?: number; pepper?: string } = {}) {
  const pool = createHashPool({ threads: 1, maxQueue: 10 });
  onTestFinished(() => pool[Symbol.asyncDispose]());
  return createPasswordHasher(pool, { memoryKib: 256, passes: 2, pepper: undefined, ...settings });
}

const SALT = Buffer.from("somesalt");
const argon2id = (memoryKib: number, passes: number) => `$argon2id$v=19$m=${memoryKib},t=${passes},p=1$`;

describe("a key from a password", () => {
  /** Argon2id, version 19, of `src/test.c` in the reference implementation (P-H-C/phc-winner-argon2). */
  test.each([
    [65_536, 2, "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"],
    [256, 2, "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe"],
    [65_536, 1, "f6a5adc1ba723dddef9b5ac1d464e180fcd9dffc9d1cbf76cca2fed795d9ca98"],
    [65_536, 4, "9025d48e68ef7395cca9079da4c4ec3affb3c8911fe4f86d1a2520856f63172c"],
  ])("is the reference implementation's, m=%i, t=%i", async (memoryKib, passes, known) => {
    const key = await open().deriveKey("password", { kdf: argon2id(memoryKib, passes), salt: SALT });
    expect(key.toString("hex")).toBe(known);
  });

  test("is another with another password, salt, cost or pepper, and the same with the same", async () => {
    const hasher = open({ pepper: PEPPER });
    const { kdf, salt } = hasher.newDerivation();
    const other = open({ pepper: PEPPER.toUpperCase() });
    const keys = await Promise.all([
      hasher.deriveKey("password", { kdf, salt }),
      hasher.deriveKey("passwords", { kdf, salt }),
      hasher.deriveKey("password", { kdf, salt: hasher.newDerivation().salt }),
      hasher.deriveKey("password", { kdf: kdf.replace("t=2", "t=3"), salt }),
      hasher.deriveKey("password", { kdf: argon2id(256, 2), salt }),
      other.deriveKey("password", { kdf, salt }),
      hasher.deriveKey("password", { kdf, salt }),
    ]);
    expect(new Set(keys.map((key) => key.toString("hex"))).size).toBe(6);
    expect(keys[6]).toStrictEqual(keys[0]);
    expect(keys[0]).toHaveLength(32);
  });

  test("costs what the hash of a password costs, has a new salt of 16 bytes each time, and says both", async () => {
    const hasher = open({ memoryKib: 128, passes: 3, pepper: PEPPER });
    const made = Array.from({ length: 20 }, () => hasher.newDerivation());
    expect(new Set(made.map(({ salt }) => salt.toString("hex"))).size).toBe(20);
    expect(made.every(({ salt }) => salt.length === 16)).toBe(true);
    expect(made[0]?.kdf).toBe(`hmac-sha256${argon2id(128, 3)}`);
    expect((await hasher.hash("password")).startsWith(made[0]?.kdf ?? "-")).toBe(true);
  });

  test("is not the key that the login's hash holds", async () => {
    const hasher = open();
    const [, , , , salt = "", hash = ""] = (await hasher.hash("password")).split("$");
    const derivation = { kdf: hasher.newDerivation().kdf, salt: Buffer.from(salt, "base64") };
    expect((await hasher.deriveKey("password", derivation)).toString("base64").replace("=", "")).toBe(hash);
    const key = await hasher.deriveKey("password", hasher.newDerivation());
    expect(key.toString("base64").replace("=", "")).not.toBe(hash);
  });

  test.each([
    ["costs too much", argon2id(4_294_967_295, 1)],
    ["is of another algorithm", "$argon2i$v=19$m=256,t=2,p=1$"],
    ["is of another version", "$argon2id$v=16$m=256,t=2,p=1$"],
    ["has several lanes", "$argon2id$v=19$m=256,t=2,p=2$"],
    ["is none", ""],
    ["needs a pepper that is not there", `hmac-sha256${argon2id(256, 2)}`],
  ])("is not derived in a way that %s", async (_name, kdf) => {
    await expect(open().deriveKey("password", { kdf, salt: SALT })).rejects.toThrow();
  });
});
