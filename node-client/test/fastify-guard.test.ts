import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import type { FastifyReply, FastifyRequest } from "../src/fastify-guard.ts";
import { type Caller, createTestIssuer, type TestIssuer } from "../src/index.ts";

// The whole of Fastify is in examples/test.

function startIssuer(): TestIssuer {
  const issuer = createTestIssuer();
  onTestFinished(() => issuer[Symbol.asyncDispose]());
  return issuer;
}

/** As much of a reply as the guard touches. */
function createReply() {
  const raw = new ServerResponse(new IncomingMessage(new Socket()));
  const sent = { status: 0, headers: {} as Record<string, string>, body: undefined as unknown };
  const reply: FastifyReply = {
    raw,
    code(status) {
      sent.status = status;
      return reply;
    },
    headers(headers) {
      sent.headers = headers;
      return reply;
    },
    send(body) {
      sent.body = body;
      return reply;
    },
  };
  return { reply, sent, raw };
}

const requestOf = (authorization?: string, body: unknown = undefined): FastifyRequest & { auth?: Caller } => ({
  headers: authorization === undefined ? {} : { authorization },
  originalUrl: "/orders?page=2",
  body,
});

describe("as a hook", () => {
  test("hands on who calls, and what they sealed", async () => {
    const { auth, issue, seal } = startIssuer();
    const { body } = await seal({ item: "apple" }, { binding: "/orders" });
    const request = requestOf(`Bearer ${issue({ username: "anna" })}`, body);
    const { reply, sent } = createReply();
    expect(await auth.fastify({ sealed: "required" })(request, reply)).toBeUndefined();
    expect(request.auth).toMatchObject({ user: { username: "anna" }, sealed: true });
    expect(request.body).toStrictEqual({ item: "apple" });
    expect(sent.status).toBe(0);
  });

  test("answers in the contract's words, and goes no further", async () => {
    const { auth, issue, setDown } = startIssuer();
    const token = issue();
    const refusal = async (authorization: string | undefined, options?: Parameters<typeof auth.fastify>[0]) => {
      const { reply, sent } = createReply();
      expect(await auth.fastify(options)(requestOf(authorization), reply)).toBe(reply);
      return [sent.status, (sent.body as { error: { code: string } }).error.code, sent.headers["WWW-Authenticate"]];
    };
    expect(await refusal(undefined)).toStrictEqual([401, "token_missing", "Bearer"]);
    expect(await refusal("Bearer a.b.c")).toStrictEqual([401, "token_invalid", 'Bearer error="invalid_token"']);
    const needs = await refusal(`Bearer ${token}`, { permission: "orders:read" });
    expect(needs).toStrictEqual([403, "forbidden", undefined]);
    const sealed = await refusal(`Bearer ${token}`, { sealed: "required" });
    expect(sealed).toStrictEqual([400, "envelope_required", undefined]);
    setDown(true);
    expect(await refusal(`Bearer ${token}`)).toStrictEqual([503, "unavailable", undefined]);
  });
});

test("as a plugin it guards every route of the scope it is registered in", async () => {
  const { auth } = startIssuer();
  const hooks: [string, unknown][] = [];
  const decorated: string[] = [];
  const plugin = auth.fastify();
  await plugin(
    {
      decorateRequest: (name: string) => decorated.push(name),
      addHook: (name: string, hook: unknown) => hooks.push([name, hook]),
    },
    {},
  );
  expect(decorated).toStrictEqual(["auth"]);
  expect(hooks).toStrictEqual([["preValidation", expect.any(Function)]]);
  expect(Reflect.get(plugin, Symbol.for("skip-override"))).toBe(true);
});
