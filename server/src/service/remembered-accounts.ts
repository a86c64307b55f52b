import { LRUCache } from "lru-cache";
import type { ServiceAccount, ServiceAccounts } from "./backend-ports.ts";

/** An account that was disabled passes for this long at the most. */
const REMEMBERED_MS = 1000;
const REMEMBERED_ACCOUNTS = 1000;

/** Spares the database the look-up of an account that was found a moment ago. One that was not found is looked up each time. */
export function rememberAccounts(accounts: ServiceAccounts): ServiceAccounts {
  const known = new LRUCache<string, ServiceAccount>({ max: REMEMBERED_ACCOUNTS, ttl: REMEMBERED_MS });
  return {
    ...accounts,
    async find(secretHash) {
      const key = secretHash.toString("base64");
      const remembered = known.get(key);
      if (remembered !== undefined) return remembered;
      const account = await accounts.find(secretHash);
      if (account !== undefined) known.set(key, account);
      return account;
    },
  };
}
