// A process that changes one password as a server does, and can be told at which of its statements to die.

import pg from "pg";
import { createDataCipher } from "../../dist/crypto/data-cipher.js";
import { createHashPool } from "../../dist/crypto/hash-pool.js";
import { withLock } from "../../dist/crypto/key-lock.js";
import { createPasswordHasher } from "../../dist/crypto/passwords.js";
import { recoveryKeys } from "../../dist/crypto/recovery-keys.js";
import { openLocalKms } from "../../dist/kms/local.js";
import { createAccounts } from "../../dist/postgres/accounts.js";
import { openDatabase, pingDatabase } from "../../dist/postgres/database.js";
import { createIntegrityRecord } from "../../dist/postgres/integrity.js";
import { createLogins } from "../../dist/postgres/logins.js";
import { createPrivateStore } from "../../dist/postgres/private-data.js";
import { createProtectedStore } from "../../dist/postgres/protected-data.js";
import { changePassword } from "../../dist/service/change-password.js";

/** @param {unknown} error */
const onError = (error) => {
  throw error;
};
const clock = { now: () => new Date() };
const [, , databaseUrl = "", kmsKeyFile = ""] = process.argv;
const database = openDatabase({ url: databaseUrl, poolSize: 1, onError });
const hasher = createPasswordHasher(createHashPool({ threads: 1, maxQueue: 9 }), {
  memoryKib: 64,
  passes: 1,
  pepper: undefined,
});
const deps = {
  accounts: createAccounts(database),
  logins: createLogins(database, { threshold: 1000, windowS: 900, lockS: 900 }),
  hasher,
  passwordPolicy: { minLength: 12, isCommon: () => false },
  limits: { spend: async () => {} },
  clock,
  kms: await openLocalKms({ file: kmsKeyFile, runAlone: withLock, clock, generate: false, onError }),
  userData: {
    protected: createProtectedStore(database),
    private: createPrivateStore(database),
    recordIntegrityFailure: createIntegrityRecord(database),
  },
  dataCipher: createDataCipher(),
  recoveryKeys,
};

/** @param {number} nth of the statements from now on @param {"before" | "after"} when it is sent */
function dieAt(nth, when) {
  const { query } = pg.Client.prototype;
  let sent = 0;
  pg.Client.prototype.query = function (/** @type {any[]} */ ...args) {
    const isLast = ++sent === nth;
    if (isLast && when === "before") process.kill(process.pid, "SIGKILL");
    const answer = query.apply(this, /** @type {any} */ (args));
    if (isLast) process.kill(process.pid, "SIGKILL");
    return answer;
  };
}

process.on("message", async (/** @type {any} */ { bearer, passwords, death }) => {
  if (death !== undefined) dieAt(death.nth, death.when);
  const client = { ip: "127.0.0.1", userAgent: "", requestId: "" };
  await changePassword(deps, { client, bearer }, passwords);
  process.send?.("done");
});

// Warm, so that the change itself takes no longer than in a server that has been running.
await Promise.all([hasher.hash("warm"), pingDatabase(database)]);
process.send?.("ready");
