import { AuthError } from "./errors.ts";
import { toAuthError } from "./to-auth-error.ts";

export type Bounds = { signal?: AbortSignal | undefined; timeoutMs: number };

/**
 * Runs a call under a signal that is aborted by the caller's and by the deadline. Rejects with an AuthError only, as soon as
 * either happens: `cancelled` or `timeout`.
 */
export async function bounded<T>({ signal, timeoutMs }: Bounds, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const cancel = () =>
    controller.abort(new AuthError("cancelled", "The call was cancelled.", { cause: signal?.reason }));
  const timer = setTimeout(() => {
    controller.abort(new AuthError("timeout", `No answer came within ${timeoutMs} ms.`));
  }, timeoutMs);
  signal?.addEventListener("abort", cancel);
  if (signal?.aborted) cancel();
  try {
    controller.signal.throwIfAborted();
    return await run(controller.signal);
  } catch (error) {
    throw toAuthError(controller.signal.aborted ? controller.signal.reason : error);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", cancel);
  }
}

/** Waits for work that others wait for too: an abort ends this wait, and not the work. */
export function waitFor<T>(shared: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = () => reject(signal.reason);
    signal.addEventListener("abort", leave, { once: true });
    if (signal.aborted) leave();
    shared.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave));
  });
}
