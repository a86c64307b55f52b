import { waitFor } from "./bounded.ts";
import { toAuthError } from "./to-auth-error.ts";

export type Twice<Used, T> = {
  signal: AbortSignal;
  /** What an attempt needs. Others may wait for the same. */
  begin(): Promise<Used>;
  attempt(used: Used): Promise<T>;
  /** The refusals that say: what you used is out of date, and nothing was done. */
  codes: readonly string[];
  renew(used: Used): Promise<unknown>;
};

/** Makes the attempt, and once more with what is up to date when the first was refused for that. */
export async function twice<Used, T>({ signal, begin, attempt, codes, renew }: Twice<Used, T>): Promise<T> {
  const used = await waitFor(begin(), signal);
  try {
    return await attempt(used);
  } catch (error) {
    if (!codes.includes(toAuthError(error).code)) throw error;
  }
  await waitFor(renew(used), signal);
  return await attempt(await waitFor(begin(), signal));
}
