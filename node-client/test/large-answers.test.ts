import type { ServerResponse } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { opened, shakeHands } from "../../server/test/support/channel.ts";
import { call, type ErrorBody, registerUser } from "../../server/test/support/client.ts";
import { startApp, type TestApp } from "../../server/test/support/start-app.ts";
import { connect } from "./support/client.ts";
import { serve } from "./support/serve.ts";

const BODY_LIMIT_BYTES = 64 * 1024;

let server: TestApp;
beforeAll(async () => {
  server = await startApp({ env: { BODY_LIMIT_BYTES: String(BODY_LIMIT_BYTES) } });
});
afterAll(() => server[Symbol.asyncDispose]());

async function order(answer: (response: ServerResponse) => void) {
  const { auth, problems } = await connect(server);
  const url = await serve(auth.express({ sealed: "required" }), (_request, response) => answer(response));
  const { access_token } = await registerUser(server.url);
  const { channel } = await shakeHands(server);
  const sealed = await channel.seal('{"item":"apple"}', "/orders");
  const answered = await call<ErrorBody & { __session_enc__: object }>(`${url}/orders`, {
    body: { __session_enc__: sealed.envelope },
    headers: { authorization: `Bearer ${access_token}` },
  });
  return { ...answered, problems, open: () => opened(sealed, answered.body.__session_enc__) };
}

const sendJson = (response: ServerResponse, value: unknown) =>
  response.setHeader("content-type", "application/json").end(JSON.stringify(value));

test("an answer that is larger than the server's bodies may be is an error of the back end's, and nothing of it goes out", async () => {
  const { status, body, problems } = await order((response) => sendJson(response, { word: "secret ".repeat(20_000) }));
  expect([status, body.error.code]).toStrictEqual([500, "internal"]);
  expect(JSON.stringify(body)).not.toContain("secret");
  expect(problems.map(({ code }) => code)).toContain("internal");
  expect(problems.find(({ code }) => code === "internal")?.cause).toMatchObject({ code: "payload_too_large" });
});

test("one that just fits goes out sealed", async () => {
  const word = "x".repeat(BODY_LIMIT_BYTES - 2_000);
  const answered = await order((response) => sendJson(response, { word }));
  expect(answered.status).toBe(200);
  expect(await answered.open()).toStrictEqual({ word });
  expect(answered.problems).toStrictEqual([]);
});
