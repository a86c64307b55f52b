import { Code, ConnectError, type ContextKey, createContextKey, type Interceptor } from "@connectrpc/connect";
import { codeFromString } from "@connectrpc/connect/protocol-connect";
import { ErrorInfoSchema } from "@sello/gen/google/rpc/error_details_pb";
import { AuthError } from "./errors.ts";
import { type Caller, createGuard, type Guard, type GuardDeps, type GuardOptions } from "./guard.ts";
import { toPublicError } from "./public-error.ts";
import { openMessage } from "./sealed-message.ts";
import { unsealedAnswer } from "./unsealed-answer.ts";

/** Where handlers find who calls: `context.values.get(callerKey)`. */
export const callerKey: ContextKey<Caller | undefined> = createContextKey<Caller | undefined>(undefined, {
  description: "who calls",
});

/**
 * An interceptor for the services of connect-es. A message may be sealed when it has the contract's envelope fields, 100 and 101;
 * a stream may not.
 */
export function createConnectGuard(deps: GuardDeps, options: GuardOptions = {}): Interceptor {
  const guard = createGuard(deps, options);
  return (next) => async (request) => {
    const pass = async () => {
      const validated = await guard.authorize(request.header.get("authorization") ?? undefined);
      const opened = request.stream ? refuseStream(guard) : await openMessage(guard, request);
      request.contextValues.set(callerKey, { ...validated, sealed: opened !== undefined });
      return opened;
    };
    const opened = await pass().catch((error: unknown) => {
      guard.onProblem(error);
      throw toConnectError(error);
    });
    if (opened === undefined || request.stream) return next(request);
    const response = await next({ ...request, message: opened.message });
    if (response.stream) throw new ConnectError("a sealed call cannot be answered by a stream", Code.Internal);
    const message = await opened.sealAnswer(response.message).catch((error: unknown) => {
      const unsealed = unsealedAnswer(error);
      guard.onProblem(unsealed);
      throw toConnectError(unsealed);
    });
    return { ...response, message };
  };
}

function refuseStream({ sealed }: Guard): undefined {
  if (sealed === "required") throw new AuthError("envelope_required");
}

/** As the server itself answers: the status and the `google.rpc.ErrorInfo` of the contract. */
function toConnectError(error: unknown): ConnectError {
  const { code, message, response, headers } = toPublicError(error);
  const status = codeFromString(response.grpcCode.toLowerCase() as Parameters<typeof codeFromString>[0]);
  const info = { desc: ErrorInfoSchema, value: { reason: code, domain: "auth" } };
  return new ConnectError(message, status ?? Code.Internal, headers, [info], error);
}
