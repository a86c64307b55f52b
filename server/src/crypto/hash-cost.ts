import { type ForeignHash, parseForeignHash } from "./foreign-hashes.ts";

/** What a stored hash may cost to verify: memory, and memory times passes, which is the time. */
export type HashBounds = { memoryKib: number; work: number };

/** 1 GiB: far beyond what anybody spends on a login. */
const MAX_MEMORY_KIB = 1_048_576;
/** Some three seconds of a core. */
const MAX_WORK = 4 * MAX_MEMORY_KIB;
const MAX_LANES = 16;
/** bcryptjs takes some three seconds for it; each step more doubles that. */
const MAX_BCRYPT_COST = 15;
/** N * r * p: half a gigabyte with r=8, for which OpenSSL takes two to three seconds. */
const MAX_SCRYPT_WORK = 2 ** 22;
/** Iterations times blocks of the digest: some three seconds of a core. */
const MAX_PBKDF2_WORK = 4_000_000;
const DIGEST_BYTES = { sha1: 20, sha256: 32, sha512: 64 };

const ARGON2 = /^\$argon2(?:id|i|d)\$(?:v=\d+\$)?m=(\d{1,10}),t=(\d{1,10}),p=(\d{1,10})\$/;
const BCRYPT = /^\$2[aby]\$(\d\d)\$/;

/** The bounds for hashes of others, and for our own where the configuration goes beyond. */
export function hashBounds(own: { memoryKib: number; passes: number }): HashBounds {
  return {
    memoryKib: Math.max(MAX_MEMORY_KIB, own.memoryKib),
    work: Math.max(MAX_WORK, own.memoryKib * own.passes),
  };
}

/**
 * A thread cannot be stopped while it hashes: a stored hash whose parameters are absurd would keep it for hours, or take all
 * memory. It must not come that far.
 * @throws Error when the hash is none that is known, or costs more than the bounds.
 */
export function assertAffordable(hash: string, bounds: HashBounds): void {
  const bcryptCost = BCRYPT.exec(hash)?.[1];
  if (bcryptCost !== undefined) {
    if (Number(bcryptCost) > MAX_BCRYPT_COST) throw new Error(`a stored bcrypt hash has the cost ${bcryptCost}`);
    return;
  }
  const foreign = parseForeignHash(hash);
  if (foreign !== undefined) {
    refuseForeign(foreign);
    return;
  }
  const [, memoryKib, passes, lanes] = (ARGON2.exec(hash) ?? []).map(Number);
  if (memoryKib === undefined || passes === undefined || lanes === undefined) {
    throw new Error("a stored hash is neither argon2, bcrypt, scrypt nor PBKDF2");
  }
  if (memoryKib > bounds.memoryKib || memoryKib * passes > bounds.work || lanes > MAX_LANES) {
    throw new Error(`a stored hash asks for m=${memoryKib}, t=${passes}, p=${lanes}, which is more than any should`);
  }
}

function refuseForeign(hash: ForeignHash): void {
  if (hash.kind === "pbkdf2") {
    const { iterations, digest, key } = hash;
    const isDear = iterations * Math.ceil(key.length / DIGEST_BYTES[digest]) > MAX_PBKDF2_WORK;
    if (isDear)
      throw new Error(`a stored PBKDF2 hash asks for ${iterations} iterations, which is more than any should`);
    return;
  }
  const { cost, blockSize, parallelization } = hash;
  if (scryptMemory(hash) > MAX_MEMORY_KIB * 1024 || cost * blockSize * parallelization > MAX_SCRYPT_WORK) {
    throw new Error(
      `a stored scrypt hash asks for N=${cost}, r=${blockSize}, p=${parallelization}, which is more than any should`,
    );
  }
}

/** RFC 7914: one vector of N blocks, and one block for each of p. */
function scryptMemory({ cost, blockSize, parallelization }: Extract<ForeignHash, { kind: "scrypt" }>): number {
  return 128 * blockSize * (cost + parallelization);
}
