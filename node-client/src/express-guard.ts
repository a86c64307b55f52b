import type { IncomingMessage, ServerResponse } from "node:http";
import { bindingOf, type Caller, createGuard, type Guard, type GuardDeps, type GuardOptions } from "./guard.ts";
import { hasUnreadJson, readJsonBody } from "./read-json-body.ts";
import { sealResponse } from "./seal-response.ts";
import { writeError } from "./write-error.ts";

declare global {
  namespace Express {
    interface Request {
      /** Who calls, behind a guard. */
      auth?: Caller;
    }
  }
}

/** What the guard needs of a request: of Express 4 and 5, Connect's middleware, or `node:http` alone. */
export type ExpressRequest = IncomingMessage & { originalUrl?: string; body?: unknown; auth?: Caller };
export type ExpressGuardOptions = GuardOptions & {
  /** How much of a body is read, when the guard comes before `express.json()`. Default: 1 MiB. */
  bodyLimitBytes?: number;
  /** What envelopes are bound to. Default: the path of `originalUrl`; tell when a proxy cut off its beginning. */
  binding?: (request: ExpressRequest) => string;
};

/** Middleware. Behind it `req.auth` is who calls, and `req.body` what they sealed. It never lets an undecided call through. */
export type ExpressGuard = (request: ExpressRequest, response: ServerResponse, next: (error?: unknown) => void) => void;

const BODY_LIMIT_BYTES = 1024 * 1024;

export function createExpressGuard(deps: GuardDeps, options: ExpressGuardOptions = {}): ExpressGuard {
  const guard = createGuard(deps, options);
  const { bodyLimitBytes = BODY_LIMIT_BYTES, binding = defaultBinding } = options;
  return (request, response, next) => {
    const passing = pass(guard, { request, response, bodyLimitBytes, binding });
    passing
      .then(
        () => next(),
        (error) => {
          guard.onProblem(error);
          writeError(response, error);
        },
      )
      .catch(next);
  };
}

type Passing = { request: ExpressRequest; response: ServerResponse } & Required<
  Pick<ExpressGuardOptions, "bodyLimitBytes" | "binding">
>;

async function pass(guard: Guard, { request, response, bodyLimitBytes, binding }: Passing): Promise<void> {
  const validated = await guard.authorize(request.headers.authorization);
  if (guard.sealed !== "off" && request.body === undefined && hasUnreadJson(request)) {
    request.body = await readJsonBody(request, bodyLimitBytes);
    // body-parser 1 looks at this, body-parser 2 at the stream: neither reads again.
    Object.assign(request, { _body: true });
  }
  const opened = await guard.open(request.body, binding(request));
  if (opened !== undefined) {
    request.body = opened.payload;
    sealResponse(response, { sealText: opened.sealText, onProblem: guard.onProblem });
  }
  request.auth = { ...validated, sealed: opened !== undefined };
}

function defaultBinding({ originalUrl, url = "/" }: ExpressRequest): string {
  return bindingOf(originalUrl ?? url);
}
