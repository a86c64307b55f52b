import type { HandlerContext } from "@connectrpc/connect";
import type { Bearer, Client } from "../service/ports.ts";
import { bearerOf, edgeOf } from "./edge.ts";

/** Who calls an RPC for bearers, and from where. */
export function callerOf(context: HandlerContext): { client: Client; bearer: Bearer } {
  return { client: edgeOf(context).client, bearer: bearerOf(context) };
}
