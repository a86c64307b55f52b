import type { TestApp } from "../../../server/test/support/start-app.ts";

/** How many calls of that RPC the server has answered. */
export function countCalls(server: TestApp, procedure: string): number {
  return server.logs.filter(({ msg, procedure: called }) => msg === "call" && String(called).endsWith(procedure))
    .length;
}
