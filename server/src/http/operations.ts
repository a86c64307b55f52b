import type { HttpRequest, HttpResponse } from "./messages.ts";
import { respondJson } from "./respond.ts";

/** The pages for whoever runs the server. */
export type OperationsOptions = {
  isReady(): Promise<boolean>;
  openApi: string;
  /** The playground's pages, in development. */
  playground: Map<string, OperationsPage> | undefined;
};
export type OperationsPage = (response: HttpResponse, request: HttpRequest) => Promise<void>;

/** By path. All answer GET. */
export function createOperations(options: OperationsOptions): Map<string, OperationsPage> {
  return new Map<string, OperationsPage>([
    ["/healthz", async (response) => respondJson(response, 200, '{"status":"ok"}')],
    [
      "/readyz",
      async (response) => {
        const ready = await options.isReady();
        respondJson(response, ready ? 200 : 503, `{"status":"${ready ? "ready" : "unavailable"}"}`);
      },
    ],
    ["/openapi.json", async (response) => respondJson(response, 200, options.openApi)],
    ...(options.playground ?? []),
  ]);
}
