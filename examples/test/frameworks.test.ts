import { existsSync } from "node:fs";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { createTestIssuer, type TestIssuer } from "@sello/node-client";
import { describe, expect, onTestFinished, test } from "vitest";
import { call, type ErrorBody } from "../../server/test/support/client.ts";

// What the shops leave out: the guards in every place where the frameworks allow them, without a server.

const suite = existsSync(fileURLToPath(new URL("../node_modules", import.meta.url))) ? describe : describe.skip;

function startIssuer(): TestIssuer {
  const issuer = createTestIssuer();
  onTestFinished(() => issuer[Symbol.asyncDispose]());
  return issuer;
}

/** By a name that the compiler does not follow: it may not be installed. */
async function load(path: string) {
  return (await import(new URL(`../node_modules/${path}`, import.meta.url).href)).default;
}

/** Posts a sealed body, and opens the answer. */
async function exchange(issuer: TestIssuer, url: string, payload: unknown) {
  const sealed = await issuer.seal(payload, { binding: new URL(url).pathname });
  const headers = { authorization: `Bearer ${issuer.issue({ username: "anna" })}` };
  const { status, headers: answered, body } = await call<ErrorBody>(url, { body: sealed.body, headers });
  const opened = status < 300 ? await sealed.open(body) : body;
  return { status, headers: answered, opened };
}

suite("on Express (needs npm ci in examples/)", () => {
  // biome-ignore lint/suspicious/noExplicitAny: its types are not installed
  async function start(build: (express: any, issuer: TestIssuer) => { listen(port: number, host: string): Server }) {
    const issuer = startIssuer();
    const server = build(await load("express/index.js"), issuer).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    return { issuer, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  }
  type Request = { body: unknown; auth: { user: { username: string } } };
  type Response = { json(body: unknown): void; send(body: unknown): void; status(code: number): Response; end(): void };

  test.each(["before", "after"])("the guard stands %s the parser, and in a router at another path", async (place) => {
    const { issuer, url } = await start((express, { auth }) => {
      const router = express.Router();
      router.use(...(place === "before" ? [auth.express(), express.json()] : [express.json(), auth.express()]));
      router.post("/orders", ({ body, auth: { user } }: Request, res: Response) =>
        res.json({ body, by: user.username }),
      );
      return express().use("/api/v1", router);
    });
    const { status, headers, opened } = await exchange(issuer, `${url}/api/v1/orders?page=2`, { item: "apple" });
    expect([status, opened]).toStrictEqual([200, { body: { item: "apple" }, by: "anna" }]);
    expect(headers.get("etag")).toBeNull();
  });

  test.each<[string, (res: Response) => void, number, unknown]>([
    ["send", (res) => res.status(201).send({ id: 7 }), 201, { id: 7 }],
    ["send of a list", (res) => res.send([1, 2]), 200, [1, 2]],
    ["end", (res) => res.status(204).end(), 200, null],
    [
      "json of an error",
      (res) => res.status(409).json({ error: { code: "conflict" } }),
      409,
      { error: { code: "conflict" } },
    ],
  ])("what goes out by %s is sealed, unless it is an error", async (_name, answer, status, expected) => {
    const { issuer, url } = await start((express, { auth }) =>
      express().post("/", auth.express(), (_request: Request, res: Response) => answer(res)),
    );
    expect(await exchange(issuer, url, {})).toMatchObject({ status, opened: expected });
  });

  test("middleware before the guard that has its own end and writeHead sees the sealed answer, and nothing in clear", async () => {
    const seen: string[] = [];
    const { issuer, url } = await start((express, { auth }) => {
      const app = express();
      // As a session does: its header goes out with the others, and its end comes when it is stored.
      app.use((_request: IncomingMessage, response: ServerResponse, next: () => void) => {
        const { writeHead, end } = response;
        response.writeHead = (...parts: unknown[]) => {
          response.setHeader("set-cookie", "session=1");
          return Reflect.apply(writeHead, response, parts);
        };
        response.end = (...parts: unknown[]) => {
          seen.push(String(parts[0]));
          setImmediate(() => Reflect.apply(end, response, parts));
          return response;
        };
        next();
      });
      return app.post("/", auth.express(), (_request: Request, res: Response) => res.json({ word: "secret" }));
    });
    const { headers, opened } = await exchange(issuer, url, {});
    expect(opened).toStrictEqual({ word: "secret" });
    expect(headers.get("set-cookie")).toBe("session=1");
    expect(seen).toHaveLength(1);
    expect(seen[0]).not.toContain("secret");
  });
});

suite("on Fastify (needs npm ci in examples/)", () => {
  // biome-ignore lint/suspicious/noExplicitAny: its types are not installed
  async function start(build: (app: any, issuer: TestIssuer) => void) {
    const issuer = startIssuer();
    const app = (await load("fastify/fastify.js"))();
    build(app, issuer);
    const url: string = await app.listen({ port: 0, host: "127.0.0.1" });
    onTestFinished(() => app.close());
    return { issuer, url };
  }
  type Request = { body: unknown; auth: { user: { username: string } } };
  type Reply = { send(body: unknown): Reply; code(status: number): Reply; type(type: string): Reply };

  test.each(["preValidation", "preHandler"])("the guard is a %s hook of a route", async (hook) => {
    const { issuer, url } = await start((app, { auth }) =>
      app.post("/orders", { [hook]: auth.fastify() }, async ({ body, auth: { user } }: Request) => ({
        body,
        by: user.username,
      })),
    );
    const { opened } = await exchange(issuer, `${url}/orders?page=2`, { item: "apple" });
    expect(opened).toStrictEqual({ body: { item: "apple" }, by: "anna" });
  });

  test("the guard is a plugin of a scope, and of no route outside it", async () => {
    const { issuer, url } = await start((app, { auth }) => {
      app.get("/open", async () => ({ open: true }));
      // biome-ignore lint/suspicious/noExplicitAny: its types are not installed
      app.register(async (scope: any) => {
        scope.register(auth.fastify());
        scope.post("/guarded", async ({ body }: Request) => ({ body }));
      });
    });
    expect((await call(`${url}/open`)).body).toStrictEqual({ open: true });
    expect((await call(`${url}/guarded`, { body: {} })).status).toBe(401);
    expect((await exchange(issuer, `${url}/guarded`, { item: "apple" })).opened).toStrictEqual({
      body: { item: "apple" },
    });
  });

  test.each<[string, (reply: Reply) => unknown, number, unknown]>([
    ["reply.send without a return", (reply) => void reply.send({ id: 7 }), 200, { id: 7 }],
    ["a stream", (reply) => reply.type("application/json").send(Readable.from(['{"id"', ":7}"])), 200, { id: 7 }],
    ["nothing", (reply) => reply.code(204).send(undefined), 200, null],
    [
      "an error",
      (reply) => reply.code(409).send({ error: { code: "conflict" } }),
      409,
      { error: { code: "conflict" } },
    ],
  ])("what goes out as %s is sealed, unless it is an error", async (_name, answer, status, expected) => {
    const { issuer, url } = await start((app, { auth }) =>
      app.post("/", { preValidation: auth.fastify() }, async (_request: Request, reply: Reply) => answer(reply)),
    );
    expect(await exchange(issuer, url, {})).toMatchObject({ status, opened: expected });
  });
});
