import { Code, ConnectError } from "@connectrpc/connect";
import type { HttpResponse } from "./messages.ts";

/**
 * Aborted when the client goes away before it has its answer, and after `timeoutMs`, the caller's own deadline. Its reason is a
 * `ConnectError` made once: an abort without a reason builds an exception with a stack for each call.
 */
export function callSignal(response: HttpResponse, timeoutMs: number | undefined): AbortSignal {
  const controller = new AbortController();
  if (timeoutMs !== undefined && timeoutMs <= 0) controller.abort(DEADLINE);
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => controller.abort(DEADLINE), Math.min(timeoutMs, LONGEST_TIMER_MS));
  response.once("close", () => {
    clearTimeout(timer);
    if (!response.writableEnded) controller.abort(GONE);
  });
  return controller.signal;
}

/** Beyond it, Node's timers fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
const GONE = new ConnectError("The client went away.", Code.Canceled);
const DEADLINE = new ConnectError("The deadline of the call has passed.", Code.DeadlineExceeded);
