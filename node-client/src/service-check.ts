import { AuthError } from "./errors.ts";
import type { Attempt, Calls } from "./retry.ts";
import { serviceAccountRefused } from "./to-auth-error.ts";

/** How long a service account that the server knows a moment ago is believed to be known still. */
const PROOF_MS = 1_000;

/**
 * Tells a user's bad token from a bad service account: the server answers both with `token_invalid`, and a user must not be
 * sent to the login because of the second. `probe` is a call that any known account gets another refusal for.
 */
export function createServiceCheck(
  probe: Attempt<unknown>,
  calls: Calls,
): <T>(validate: () => Promise<T>) => Promise<T> {
  let provenMs = Number.NEGATIVE_INFINITY;
  let proving: Promise<void> | undefined;

  async function prove(): Promise<void> {
    const refusal = await calls.once(probe).then(
      () => undefined,
      (error: AuthError) => error,
    );
    if (refusal?.code === "unavailable") throw refusal;
    if (refusal?.code.startsWith("token_")) throw serviceAccountRefused(refusal);
    provenMs = performance.now();
  }

  return async (validate) => {
    try {
      const validated = await validate();
      provenMs = performance.now();
      return validated;
    } catch (error) {
      if (!(error instanceof AuthError)) throw error;
      if (error.code === "forbidden") throw serviceAccountRefused(error);
      if (error.code === "token_invalid" && performance.now() - provenMs > PROOF_MS) {
        proving ??= prove().finally(() => {
          proving = undefined;
        });
        await proving;
      }
      throw error;
    }
  };
}
