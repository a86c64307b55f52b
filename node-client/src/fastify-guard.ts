import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import { bindingOf, type Caller, createGuard, type GuardDeps, type GuardOptions } from "./guard.ts";
import { errorBody, toPublicError } from "./public-error.ts";
import { sealResponse } from "./seal-response.ts";

/** What the guard needs of Fastify 4 and 5. */
export type FastifyRequest = { headers: IncomingHttpHeaders; originalUrl: string; body: unknown };
export type FastifyReply = {
  raw: unknown;
  code(status: number): FastifyReply;
  headers(headers: Record<string, string>): FastifyReply;
  send(payload: unknown): unknown;
};
export type FastifyInstance = {
  decorateRequest(name: string, value: null): unknown;
  // biome-ignore lint/suspicious/noExplicitAny: Fastify's own hooks have types of their own for each name
  addHook(name: "preValidation", hook: any): unknown;
};

export type FastifyGuardOptions = GuardOptions & {
  /** What envelopes are bound to. Default: the path of `originalUrl`; tell when a proxy cut off its beginning. */
  binding?: (request: FastifyRequest) => string;
};

/**
 * A hook of one route, `{ preValidation: auth.fastify() }` (or `preHandler`, after the schema had its say), and a plugin for all
 * routes of a scope, `app.register(auth.fastify())`. Behind it `request.auth` is who calls, and `request.body` what they sealed.
 */
export type FastifyGuard = {
  (request: FastifyRequest, reply: FastifyReply): Promise<unknown>;
  (instance: FastifyInstance, options: object): Promise<unknown>;
};

export function createFastifyGuard(deps: GuardDeps, options: FastifyGuardOptions = {}): FastifyGuard {
  const guard = createGuard(deps, options);
  const { binding = ({ originalUrl }) => bindingOf(originalUrl) } = options;

  async function hook(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    try {
      const validated = await guard.authorize(request.headers.authorization);
      const opened = await guard.open(request.body, binding(request));
      if (opened !== undefined) {
        request.body = opened.payload;
        sealResponse(reply.raw as ServerResponse, { sealText: opened.sealText, onProblem: guard.onProblem });
      }
      Object.assign(request, { auth: { ...validated, sealed: opened !== undefined } satisfies Caller });
      return undefined;
    } catch (error) {
      guard.onProblem(error);
      const failure = toPublicError(error);
      reply.code(failure.response.httpStatus).headers(failure.headers).send(errorBody(failure));
      return reply;
    }
  }

  async function guardFastify(first: FastifyRequest | FastifyInstance, second: FastifyReply | object) {
    if (!("addHook" in first)) return hook(first, second as FastifyReply);
    first.decorateRequest("auth", null);
    first.addHook("preValidation", hook);
    return undefined;
  }
  // Without this mark a plugin's hooks end with its own scope.
  return Object.assign(guardFastify, { [Symbol.for("skip-override")]: true });
}
