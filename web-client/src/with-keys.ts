import type { KeySet, Keys } from "./key-set.ts";
import { twice } from "./twice.ts";

/** Runs an attempt with the server's keys, and once more when the server says that they, or the time, are out of date. */
export type WithKeys = <T>(signal: AbortSignal, attempt: (keys: Keys) => Promise<T>) => Promise<T>;

const OUT_OF_DATE = ["envelope_unknown_key", "envelope_expired"];

export function createWithKeys(keys: KeySet): WithKeys {
  return (signal, attempt) =>
    twice({ signal, attempt, begin: () => keys.load(), codes: OUT_OF_DATE, renew: (used) => keys.reload(used) });
}
