import type { HandlerContext } from "@connectrpc/connect";
import { AuthError } from "../domain/errors.ts";
import type { Bearer, Client } from "../service/ports.ts";
import { edgeKey } from "./edge.ts";

/** Who calls an RPC for bearers. The access interceptor put it there; without it the call must not go on. */
export function callerOf(context: HandlerContext): { client: Client; bearer: Bearer } {
  const { client, bearer } = context.values.get(edgeKey);
  if (bearer === undefined) throw new AuthError("token_missing");
  return { client, bearer };
}
