import { systemClock } from "../clock.ts";
import { createCommonPasswords } from "../crypto/common-passwords.ts";
import { createHashPool } from "../crypto/hash-pool.ts";
import { createPasswordHasher } from "../crypto/passwords.ts";
import { ids } from "../crypto/random.ts";
import { createAdministration } from "../postgres/administration.ts";
import type { CreateUserDeps } from "../service/create-user.ts";
import type { Stores } from "../stores.ts";
import { type Environment, withStores } from "./command.ts";

/** Opens what acts of an administrator need, and closes it after them. */
export function withAdministration<T>(
  environment: Environment,
  task: (deps: CreateUserDeps, stores: Stores) => Promise<T>,
): Promise<T> {
  const { config, secrets } = environment;
  return withStores(environment, async (stores) => {
    const pool = createHashPool({ threads: 1, maxQueue: 100 });
    const { memoryKib, passes } = config.argon2;
    const deps = {
      administration: createAdministration(stores.database),
      hasher: createPasswordHasher(pool, { memoryKib, passes, pepper: secrets.passwordPepper }),
      passwordPolicy: { minLength: config.passwordMinLength, isCommon: createCommonPasswords().has },
      clock: systemClock,
      ids,
    };
    try {
      return await task(deps, stores);
    } finally {
      await pool[Symbol.asyncDispose]();
    }
  });
}
