import type { PasswordKeyChange, PrivateStore } from "../service/user-data-ports.ts";
import { allOrNothing, lockCaller, ownEvent } from "./caller.ts";
import { type Database, type Queryable, runOne, statement } from "./database.ts";
import { type DataRow, putData, toStoredData } from "./user-data.ts";
import { dropPrivateKeys, putKey } from "./user-keys.ts";

type FoundRow = DataRow & {
  password_key: string | null;
  kdf: string | null;
  salt: Buffer | null;
  recovery_key: string | null;
};

const FIND = statement<FoundRow>(
  "find_private_data",
  `SELECT data.key_version, data.revision, data.ciphertext, password.wrapped_key AS password_key, password.kdf, password.salt,
    recovery.wrapped_key AS recovery_key
  FROM user_data AS data
  LEFT JOIN user_keys AS password
    ON password.user_id = data.user_id AND password.purpose = 'private.password' AND password.version = data.key_version
  LEFT JOIN user_keys AS recovery
    ON recovery.user_id = data.user_id AND recovery.purpose = 'private.recovery' AND recovery.version = data.key_version
  WHERE data.user_id = $1::uuid AND data.class = 'private'`,
);

const recordUpdated = ownEvent("private_data.updated");
const recordAct = { recovered: ownEvent("private_data.recovered"), unlocked: ownEvent("private_data.unlocked") };

export function createPrivateStore(db: Database): PrivateStore {
  return {
    async find(userId) {
      const row = await runOne(db, FIND, [userId]);
      if (row === undefined) return undefined;
      const { key_version: version, password_key: wrappedKey, kdf, salt, recovery_key: recovery } = row;
      const isWhole = wrappedKey !== null && kdf !== null && salt !== null;
      return {
        data: toStoredData(row),
        password: isWhole ? { version, wrappedKey, derivation: { kdf, salt } } : undefined,
        recovery: recovery === null ? undefined : { version, wrappedKey: recovery },
      };
    },

    update({ caller, now, passwordHash, data, newKeys }) {
      const userId = caller.bearer.user.id;
      const putKeys = async (transaction: Queryable) => {
        if (newKeys === undefined) return true;
        const { version, password, recovery: wrappedKey } = newKeys;
        await dropPrivateKeys(transaction, userId);
        const key = { userId, version, now };
        const puts = [
          await putKey(transaction, { ...key, purpose: "private.password", ...password }),
          await putKey(transaction, { ...key, purpose: "private.recovery", wrappedKey }),
        ];
        return !puts.includes(false);
      };
      return allOrNothing(db, async (transaction) => {
        if ((await lockCaller(transaction, caller, now)) !== passwordHash) return false;
        if (!(await putData(transaction, { userId, dataClass: "private", data, now }))) return false;
        if (!(await putKeys(transaction))) return false;
        await recordUpdated(transaction, { caller, now, detail: { new_key: newKeys !== undefined } });
        return true;
      });
    },

    rewrap({ caller, now, passwordHash, key, act }) {
      return allOrNothing(db, async (transaction) => {
        if ((await lockCaller(transaction, caller, now)) !== passwordHash) return false;
        if (!(await putPasswordKey(transaction, { userId: caller.bearer.user.id, key, now }))) return false;
        await recordAct[act](transaction, { caller, now });
        return true;
      });
    },

    recordUnlocked: (act) => recordAct.unlocked(db, act),
  };
}

/** Puts the key of private data under another password. False when it was changed since it was read. */
export function putPasswordKey(
  transaction: Queryable,
  { userId, key, now }: { userId: string; key: PasswordKeyChange; now: Date },
): Promise<boolean> {
  const { version, before, after: wrappedKey, derivation } = key;
  const changed = { userId, purpose: "private.password", version, wrappedKey, derivation, now } as const;
  return putKey(transaction, changed, before);
}

const FIND_PASSWORD_KEY = statement<{ wrapped_key: string }>(
  "find_password_key",
  `SELECT keys.wrapped_key FROM user_data AS data JOIN user_keys AS keys
    ON keys.user_id = data.user_id AND keys.purpose = 'private.password' AND keys.version = data.key_version
  WHERE data.user_id = $1::uuid AND data.class = 'private'`,
);

/** The key under the password as it is in this moment, for whoever holds the user's row. */
export async function findPasswordKey(transaction: Queryable, userId: string): Promise<string | undefined> {
  return (await runOne(transaction, FIND_PASSWORD_KEY, [userId]))?.wrapped_key;
}
