/** What a stored hash may cost to verify: memory, and memory times passes, which is the time. */
export type HashBounds = { memoryKib: number; work: number };

/** 1 GiB: far beyond what anybody spends on a login. */
const MAX_MEMORY_KIB = 1_048_576;
/** Some three seconds of a core. */
const MAX_WORK = 4 * MAX_MEMORY_KIB;
const MAX_LANES = 16;
/** bcryptjs takes some three seconds for it; each step more doubles that. */
const MAX_BCRYPT_COST = 15;

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
  const [, memoryKib, passes, lanes] = (ARGON2.exec(hash) ?? []).map(Number);
  if (memoryKib === undefined || passes === undefined || lanes === undefined) {
    throw new Error("a stored hash is neither argon2 nor bcrypt");
  }
  if (memoryKib > bounds.memoryKib || memoryKib * passes > bounds.work || lanes > MAX_LANES) {
    throw new Error(`a stored hash asks for m=${memoryKib}, t=${passes}, p=${lanes}, which is more than any should`);
  }
}
