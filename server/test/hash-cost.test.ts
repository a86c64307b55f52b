import { describe, expect, onTestFinished, test } from "vitest";
import { createHashPool, type HashPool } from "../src/crypto/hash-pool.ts";
import { createPasswordHasher } from "../src/crypto/passwords.ts";

const CHEAP = { memoryKib: 64, passes: 1, pepper: undefined };

/** A hasher, and its pool to see whether a thread was asked. */
function open(settings: Parameters<typeof createPasswordHasher>[1] = CHEAP) {
  const pool = createHashPool({ threads: 1, maxQueue: 1 });
  onTestFinished(() => pool[Symbol.asyncDispose]());
  let asked = 0;
  const counted: HashPool = Object.assign(Object.create(pool), {
    capacity: pool.capacity,
    run: (...job: Parameters<HashPool["run"]>) => {
      asked++;
      return pool.run(...job);
    },
  });
  return { hasher: createPasswordHasher(counted, settings), asked: () => asked };
}

const argon2 = (parameters: string) => `$argon2id$v=19$${parameters}$c29tZXNhbHRzb21lc2FsdA$${"A".repeat(43)}`;
const bcrypt = (cost: string) => `$2b$${cost}$${"a".repeat(53)}`;

describe("a stored hash", () => {
  test.each([
    argon2("m=4294967295,t=1,p=1"),
    argon2("m=1048577,t=1,p=1"),
    argon2("m=64,t=4294967295,p=1"),
    argon2("m=1048576,t=5,p=1"),
    argon2("m=64,t=1,p=17"),
    argon2("m=99999999999,t=1,p=1"),
    argon2("t=1,m=4294967295,p=1"),
    `hmac-sha256${argon2("m=4294967295,t=1,p=1")}`,
    argon2("m=4294967295,t=1,p=1").replace("argon2id", "argon2d"),
    bcrypt("16"),
    bcrypt("31"),
    "$scrypt$ln=20,r=8,p=1$c2FsdA$aGFzaA",
    "",
  ])("that costs too much, or is none, reaches no thread: %s", async (hash) => {
    const { hasher, asked } = open({ ...CHEAP, pepper: "a pepper of thirty-two characters" });
    await expect(hasher.verify(hash, "a long enough passphrase")).rejects.toThrow(/^a stored /);
    expect(asked()).toBe(0);
  });

  test.each([
    argon2("m=64,t=1,p=1"),
    argon2("m=4096,t=3,p=4"),
    argon2("m=256,t=2,p=1").replace("v=19$", ""),
    bcrypt("04"),
  ])("that others made at a price that is usual is verified: %s", async (hash) => {
    const { hasher, asked } = open();
    expect(await hasher.verify(hash, "a long enough passphrase")).toBe(false);
    expect(asked()).toBe(1);
  });

  test("of nobody is verified, and costs what the others do", async () => {
    const { hasher, asked } = open();
    expect(await hasher.verify(undefined, "a long enough passphrase")).toBe(false);
    expect(asked()).toBe(1);
  });

  test("that the configuration itself asks for is never too much", async () => {
    const { hasher } = open({ ...CHEAP, passes: 100, memoryKib: 128 });
    const hash = await hasher.hash("a long enough passphrase");
    expect(await hasher.verify(hash, "a long enough passphrase")).toBe(true);
  });
});
