import type { HandlerContext } from "@connectrpc/connect";
import { AuthError } from "../domain/errors.ts";
import type { ServiceAccount } from "../service/backend-ports.ts";
import { edgeKey } from "./edge.ts";

/** The back end that calls. The access interceptor put it there; without it the call must not go on. */
export function serviceCaller({ values }: Pick<HandlerContext, "values">): ServiceAccount {
  const { service } = values.get(edgeKey);
  if (service === undefined) throw new AuthError("token_missing");
  return service;
}
