import type { ServerResponse } from "node:http";
import { describe, expect, onTestFinished, test } from "vitest";
import { call, type ErrorBody } from "../../server/test/support/client.ts";
import { createTestIssuer, type ExpressGuardOptions, type TestIssuer } from "../src/index.ts";
import { type Request, serve } from "./support/serve.ts";

function startIssuer(): TestIssuer {
  const issuer = createTestIssuer();
  onTestFinished(() => issuer[Symbol.asyncDispose]());
  return issuer;
}

type Handler = (request: Request, response: ServerResponse) => void;

const json = (response: ServerResponse, value: unknown, status = 200) => {
  response.writeHead(status, { "content-type": "application/json", etag: '"hash of the clear text"' });
  response.end(JSON.stringify(value));
};
const echo: Handler = ({ auth, body }, response) => json(response, { user: auth?.user, sealed: auth?.sealed, body });
const guarded = (issuer: TestIssuer, options?: ExpressGuardOptions, handler: Handler = echo) =>
  serve(issuer.auth.express(options), handler);
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

describe("who calls", () => {
  test("is handed on", async () => {
    const issuer = startIssuer();
    const url = await guarded(issuer);
    const token = issuer.issue({ username: "anna", roles: ["seller"] });
    const { status, body } = await call(url, { headers: bearer(token) });
    expect(status).toBe(200);
    expect(body).toMatchObject({ sealed: false, user: { username: "anna", roles: ["seller"], permissions: [] } });
  });

  test.each([
    ["no header", {}, "token_missing", "Bearer"],
    ["another scheme", { authorization: "Basic YTpi" }, "token_missing", "Bearer"],
    ["a token of nobody", bearer("a.b.c"), "token_invalid", 'Bearer error="invalid_token"'],
  ])("is refused with %s, in the contract's words", async (_name, headers, code, challenge) => {
    const url = await guarded(startIssuer());
    const answer = await call<ErrorBody>(`${url}/?access_token=x`, { headers: headers as Record<string, string> });
    expect(answer.status).toBe(401);
    expect(answer.headers.get("www-authenticate")).toBe(challenge);
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(answer.body).toStrictEqual({ error: { code, message: expect.stringMatching(/\.$/) } });
  });

  test("needs the permission and the role that the route asks for", async () => {
    const issuer = startIssuer();
    const url = await guarded(issuer, { permission: "orders:read", role: "seller" });
    const statusFor = async (user: Parameters<TestIssuer["issue"]>[0]) =>
      (await call(url, { headers: bearer(issuer.issue(user)) })).status;
    expect(await statusFor({ permissions: ["orders:read"], roles: ["seller"] })).toBe(200);
    expect(await statusFor({ permissions: ["orders:write"], roles: ["seller"] })).toBe(403);
    expect(await statusFor({ permissions: ["orders:read"], roles: [] })).toBe(403);
    expect(await statusFor({ permissions: ["orders:*"], roles: ["seller"] })).toBe(200);
    expect(await statusFor({ permissions: ["*:read"], roles: ["seller"] })).toBe(200);
    expect(await statusFor({ permissions: ["*:*"], roles: ["seller"] })).toBe(200);
    expect(await statusFor({ permissions: ["*:write"], roles: ["seller"] })).toBe(403);
    expect(await statusFor({ permissions: ["users:*", "orders", "*"], roles: ["seller"] })).toBe(403);
    const { body } = await call<ErrorBody>(url, { headers: bearer(issuer.issue()) });
    expect(body.error.code).toBe("forbidden");
  });

  test("is nobody while the server cannot be asked, and comes no further", async () => {
    const issuer = startIssuer();
    let reached = 0;
    const url = await guarded(issuer, {}, (_request, response) => {
      reached++;
      response.end();
    });
    const token = issuer.issue();
    issuer.setDown(true);
    const { status, body } = await call<ErrorBody>(url, { headers: bearer(token) });
    expect({ status, code: body.error.code, reached }).toStrictEqual({ status: 503, code: "unavailable", reached: 0 });
  });
});

describe.each(["stateless", "stateful"] as const)("a %s body", (mode) => {
  test("reaches the handler opened, and the answer goes out sealed", async () => {
    const issuer = startIssuer();
    const url = await guarded(issuer, { sealed: "required" });
    const sealed = await issuer.seal({ item: "apple" }, { binding: "/orders", mode });
    const options = { headers: bearer(issuer.issue({ username: "anna" })), body: sealed.body };
    const answer = await call(`${url}/orders?page=2`, options);
    expect(answer.status).toBe(200);
    expect(Object.keys(answer.body)).toStrictEqual(Object.keys(sealed.body));
    expect(answer.headers.get("etag")).toBeNull();
    expect(await sealed.open(answer.body)).toMatchObject({
      user: { username: "anna" },
      sealed: true,
      body: { item: "apple" },
    });
    const again = await call<ErrorBody>(`${url}/orders`, options);
    expect([again.status, again.body.error.code]).toStrictEqual([400, "envelope_replayed"]);
  });
});

describe("bodies", () => {
  const post = async (issuer: TestIssuer, url: string, body: unknown, headers: Record<string, string> = {}) =>
    call<ErrorBody>(url, { body, headers: { ...bearer(issuer.issue()), ...headers } });

  test("in clear pass where they may, and are answered in clear", async () => {
    const issuer = startIssuer();
    const { body } = await post(issuer, await guarded(issuer), { item: "apple" });
    expect(body).toMatchObject({ sealed: false, body: { item: "apple" } });
  });

  test("in clear, or none at all, are refused where they must be sealed", async () => {
    const issuer = startIssuer();
    const url = await guarded(issuer, { sealed: "required" });
    for (const answer of [
      await post(issuer, url, { item: "apple" }),
      await call<ErrorBody>(url, { headers: bearer(issuer.issue()) }),
      await post(issuer, url, "item=apple", { "content-type": "text/plain" }),
    ]) {
      expect([answer.status, answer.body.error.code]).toStrictEqual([400, "envelope_required"]);
    }
  });

  test("are left alone where envelopes are off", async () => {
    const issuer = startIssuer();
    const sealed = await issuer.seal({}, { binding: "/" });
    const { body } = await post(issuer, await guarded(issuer, { sealed: "off" }), sealed.body);
    expect(body).not.toHaveProperty("body");
    expect(body).toMatchObject({ sealed: false });
  });

  test("for another path are refused", async () => {
    const issuer = startIssuer();
    const { body } = await issuer.seal({}, { binding: "/other" });
    const answer = await post(issuer, `${await guarded(issuer)}/orders`, body);
    expect([answer.status, answer.body.error.code]).toStrictEqual([400, "envelope_invalid"]);
  });

  test("of strangers are not read", async () => {
    const issuer = startIssuer();
    const { body } = await issuer.seal({}, { binding: "/" });
    const url = await guarded(issuer);
    expect((await call<ErrorBody>(url, { body })).body.error.code).toBe("token_missing");
    expect((await post(issuer, url, body)).status).toBe(200);
  });

  test("that are too large are refused", async () => {
    const issuer = startIssuer();
    const url = await guarded(issuer, { bodyLimitBytes: 100 });
    const answer = await post(issuer, url, { text: "x".repeat(200) });
    expect([answer.status, answer.body.error.code]).toStrictEqual([413, "payload_too_large"]);
    expect(answer.headers.get("connection")).toBe("close");
  });

  test.each([
    ["not JSON", "{", {}],
    ["said to be compressed", "{}", { "content-encoding": "gzip" }],
    ["with an envelope and more", { __front_enc__: {}, more: 1 }, {}],
    ["with __proto__", '{"__proto__":{}}', {}],
  ])("that are %s are refused", async (_name, body, headers) => {
    const issuer = startIssuer();
    const answer = await post(issuer, await guarded(issuer), body, headers as Record<string, string>);
    expect([answer.status, answer.body.error.code]).toStrictEqual([400, "invalid_request"]);
  });
});

describe("the answer to a sealed request", () => {
  const exchange = async (handler: Handler) => {
    const issuer = startIssuer();
    const url = await guarded(issuer, {}, handler);
    const sealed = await issuer.seal({}, { binding: "/" });
    const response = await fetch(url, {
      method: "POST",
      headers: { ...bearer(issuer.issue()), "content-type": "application/json" },
      body: JSON.stringify(sealed.body),
      redirect: "manual",
    });
    return { response, text: await response.text(), sealed };
  };

  test("goes sealed in whatever pieces it was written", async () => {
    const { text, sealed } = await exchange((_request, response) => {
      response.setHeader("content-type", "application/json; charset=utf-8");
      response.flushHeaders();
      response.write('{"a":', "utf8");
      response.write(Buffer.from('"ñ"'), () => response.end("}"));
    });
    expect(await sealed.open(JSON.parse(text))).toStrictEqual({ a: "ñ" });
  });

  test("goes sealed as null when it has no body", async () => {
    const { response, text, sealed } = await exchange((_request, answer) => answer.writeHead(204).end());
    expect(response.status).toBe(200);
    expect(await sealed.open(JSON.parse(text))).toBeNull();
  });

  test("goes in clear when it is an error or a redirect", async () => {
    const failure = { error: { code: "conflict", message: "No." } };
    const { response, text } = await exchange((_request, answer) => json(answer, failure, 409));
    expect([response.status, JSON.parse(text)]).toStrictEqual([409, failure]);
    const moved = await exchange((_request, answer) => answer.writeHead(303, ["location", "/x"]).end());
    expect([moved.response.status, moved.response.headers.get("location")]).toStrictEqual([303, "/x"]);
  });

  test.each([
    ["text", { "content-type": "text/html" }],
    ["nothing it says what it is", {}],
    ["compressed", { "content-type": "application/json", "content-encoding": "gzip" }],
  ])("does not go out when it is %s", async (_name, headers) => {
    const { response, text } = await exchange((_request, answer) =>
      answer.writeHead(200, headers as Record<string, string>).end("the secret"),
    );
    expect(response.status).toBe(500);
    expect(text).not.toContain("the secret");
    expect(JSON.parse(text).error.code).toBe("internal");
  });

  test("is over for its handler once it ended it", async () => {
    const seen: boolean[] = [];
    const { text, sealed } = await exchange((_request, answer) => {
      seen.push(answer.writableEnded, answer.headersSent);
      json(answer, { first: true });
      seen.push(answer.writableEnded, answer.headersSent);
      json(answer, { second: true }, 500);
    });
    expect(seen).toStrictEqual([false, false, true, true]);
    expect(await sealed.open(JSON.parse(text))).toStrictEqual({ first: true });
  });
});

test("a sealed call whose answer cannot be sealed is told as made, with no code that asks for another try", async () => {
  const issuer = startIssuer();
  const url = await guarded(issuer, { sealed: "required" }, (_request, response) => {
    issuer.setDown(true);
    json(response, { made: true });
  });
  const { body } = await issuer.seal({ item: 7 }, { binding: new URL(url).pathname });
  const answer = await call<ErrorBody>(url, { body, headers: bearer(issuer.issue()) });
  expect([answer.status, answer.body.error.code]).toStrictEqual([500, "internal"]);
  expect(answer.body.error.message).toContain("was made");
});

describe("other middleware", () => {
  /** What a session, a log or a compression does: functions of its own in the place of the response's. */
  function wrap(response: ServerResponse, seen: { calls: string[]; body: string }, name: string): void {
    const { writeHead, write, end } = response;
    response.writeHead = (...parts: unknown[]) => {
      seen.calls.push("writeHead");
      if (!response.headersSent) response.setHeader(`x-${name}`, String(response.getHeader("cache-control")));
      return Reflect.apply(writeHead, response, parts);
    };
    response.write = (...parts: unknown[]) => {
      seen.body += String(parts[0]);
      return Reflect.apply(write, response, parts);
    };
    response.end = (...parts: unknown[]) => {
      seen.calls.push("end");
      seen.body += String(parts[0] ?? "");
      // A session is stored first.
      setImmediate(() => Reflect.apply(end, response, parts));
      return response;
    };
  }

  const exchange = async (place: "before" | "after", handler: Handler) => {
    const issuer = startIssuer();
    const seen = { calls: [] as string[], body: "" };
    const guard = issuer.auth.express({ sealed: "required" });
    const url = await serve(
      (request, response, next) => {
        if (place === "before") wrap(response, seen, place);
        guard(request, response, next);
      },
      (request, response) => {
        if (place === "after") wrap(response, seen, place);
        handler(request, response);
      },
    );
    const sealed = await issuer.seal({ item: "apple" }, { binding: "/" });
    const answer = await call<ErrorBody>(url, { body: sealed.body, headers: bearer(issuer.issue()) });
    return { answer, seen, sealed, issuer };
  };

  test("that came before the guard sees the sealed answer go out, once, and what it adds goes along", async () => {
    const { answer, seen, sealed } = await exchange("before", echo);
    expect(await sealed.open(answer.body)).toMatchObject({ body: { item: "apple" } });
    expect(JSON.parse(seen.body)).toStrictEqual(answer.body);
    expect(seen.calls).toStrictEqual(["end", "writeHead"]);
    expect(answer.headers.get("x-before")).toBe("no-store");
  });

  test("that came before the guard sees errors and empty answers go out, too", async () => {
    const failed = await exchange("before", (_request, response) => json(response, { error: { code: "x" } }, 409));
    expect(failed.seen.body).toBe('{"error":{"code":"x"}}');
    const empty = await exchange("before", (_request, response) => response.writeHead(204).end());
    expect(JSON.parse(empty.seen.body)).toStrictEqual(empty.answer.body);
    const unsealable = await exchange("before", (_request, response) => response.end("the secret"));
    expect(unsealable.answer.status).toBe(500);
    expect(unsealable.seen.body).not.toContain("the secret");
    expect(JSON.parse(unsealable.seen.body).error.code).toBe("internal");
  });

  test("that comes after the guard sees the clear answer, and its headers go out", async () => {
    const { answer, seen, sealed } = await exchange("after", (_request, response) => {
      response.setHeader("content-type", "application/json");
      response.end('{"a":1}');
    });
    expect(await sealed.open(answer.body)).toStrictEqual({ a: 1 });
    expect(seen.body).toBe('{"a":1}');
    expect(seen.calls).toStrictEqual(["end", "writeHead"]);
    expect(answer.headers.get("x-after")).toBe("no-store");
  });

  test("that fails when the sealed answer goes out ends the connection", async () => {
    const issuer = startIssuer();
    const guard = issuer.auth.express();
    const url = await serve(
      (request, response, next) => {
        response.end = () => {
          throw new Error("the session cannot be stored");
        };
        guard(request, response, next);
      },
      (_request, response) => json(response, { a: 1 }),
    );
    const { body } = await issuer.seal({}, { binding: "/" });
    await expect(call(url, { body, headers: bearer(issuer.issue()) })).rejects.toThrow("fetch failed");
  });
});
