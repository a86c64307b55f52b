import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import type { Caller, ExpressGuard } from "../../src/index.ts";

export type Request = IncomingMessage & { body?: unknown; auth?: Caller };

/** Runs a guard before a handler as Express does, on `node:http` alone. */
export function serve(guard: ExpressGuard, handler: (request: Request, response: ServerResponse) => void) {
  const server = createServer((request, response) => {
    guard(request, response, (error) => {
      if (error !== undefined) response.destroy();
      else handler(request, response);
    });
  });
  return listen(server);
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
