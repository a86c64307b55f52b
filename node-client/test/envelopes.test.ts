import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { opened as openAnswer, shakeHands } from "../../server/test/support/channel.ts";
import { recipientOf, seal } from "../../server/test/support/seal.ts";
import { startApp, type TestApp } from "../../server/test/support/start-app.ts";
import { codeOf, connect } from "./support/client.ts";

let server: TestApp;
beforeAll(async () => {
  server = await startApp();
});
afterAll(() => server[Symbol.asyncDispose]());

const binding = "/orders";
const order = { item: "apple", count: 2, note: "für Ñandú" };

describe.each(["RSA-OAEP-256", "ECDH-ES"] as const)("a stateless body sealed with %s", (alg) => {
  test("opens, its answer is sealed for its sender, and it opens once", async () => {
    const { auth } = await connect(server);
    const sealed = await seal(server, order, { recipient: await recipientOf(server.url, alg), binding });
    const body = { __front_enc__: sealed.envelope };
    const opened = await auth.open<typeof order>(body, { binding });
    expect(opened.payload).toStrictEqual(order);
    const answer = await opened.seal({ id: 7 });
    expect(Object.keys(answer)).toStrictEqual(["__front_enc__"]);
    expect(await openAnswer(sealed as never, answer.__front_enc__ ?? {})).toStrictEqual({ id: 7 });
    expect(await codeOf(auth.open(body, { binding }))).toBe("envelope_replayed");
  });
});

describe("a stateful body", () => {
  test("opens, its answer is sealed for its sender, and it opens once", async () => {
    const { auth } = await connect(server);
    const { channel } = await shakeHands(server, "P-256");
    const sealed = await channel.seal(JSON.stringify(order), binding);
    const body = { __session_enc__: sealed.envelope };
    const opened = await auth.decrypt<typeof order>(body, { binding });
    expect(opened.payload).toStrictEqual(order);
    const answer = await auth.encrypt(opened, { id: 7 });
    expect(Object.keys(answer)).toStrictEqual(["__session_enc__"]);
    expect(await openAnswer(sealed, answer.__session_enc__ ?? {})).toStrictEqual({ id: 7 });
    expect(await codeOf(auth.open(body, { binding }))).toBe("envelope_replayed");
  });

  test("of a channel that is over is told so", async () => {
    const { auth } = await connect(server);
    const { channel } = await shakeHands(server);
    const { envelope } = await channel.seal("{}", binding);
    const body = { __session_enc__: { ...envelope, sid: "A".repeat(22) } };
    expect(await codeOf(auth.open(body, { binding }))).toBe("channel_expired");
  });
});

describe("a body", () => {
  const sealed = async (payload: unknown, to = binding) => {
    const recipient = await recipientOf(server.url, "ECDH-ES");
    return { __front_enc__: (await seal(server, payload, { recipient, binding: to })).envelope };
  };

  test("for another path, or altered, does not open", async () => {
    const { auth } = await connect(server);
    expect(await codeOf(auth.open(await sealed(order, "/other"), { binding }))).toBe("envelope_invalid");
    const { __front_enc__: envelope } = await sealed(order);
    const altered = { __front_enc__: { ...envelope, ct: `${envelope.ct.slice(0, -2)}AA` } };
    expect(await codeOf(auth.open(altered, { binding }))).toBe("envelope_invalid");
    const unknown = { __front_enc__: { ...envelope, kid: "nobody" } };
    expect(await codeOf(auth.open(unknown, { binding }))).toBe("envelope_unknown_key");
  });

  test.each([
    ["in clear", { item: "apple" }, "envelope_required"],
    ["that is no object", "text", "envelope_required"],
    ["that is nothing", undefined, "envelope_required"],
    ["with a member beside the envelope", { __front_enc__: {}, item: "apple" }, "invalid_request"],
    ["with both envelopes", { __front_enc__: {}, __session_enc__: {} }, "invalid_request"],
    ["with a null envelope", { __front_enc__: null }, "invalid_request"],
    ["with a list for an envelope", { __session_enc__: [] }, "invalid_request"],
    ["with an envelope of wrong types", { __front_enc__: { ct: 5 } }, "invalid_request"],
    ["with an empty envelope", { __front_enc__: {} }, "envelope_invalid"],
  ])("%s is refused", async (_name, body, code) => {
    const { auth } = await connect(server);
    expect(await codeOf(auth.open(body, { binding }))).toBe(code);
  });

  test.each([
    ["no JSON", "{"],
    ["bytes that are no text", Uint8Array.of(0x22, 0xff, 0x22)],
    ["another envelope", JSON.stringify({ __front_enc__: {} })],
    ["a __proto__", '{"a":{"__proto__":{"isAdmin":true}}}'],
  ])("that holds %s is refused", async (_name, payload) => {
    const { auth } = await connect(server);
    expect(await codeOf(auth.open(await sealed(payload), { binding }))).toBe("invalid_request");
  });
});

describe("user keys", () => {
  const userId = "018f0000-0000-7000-8000-000000000001";

  test("come back as they were made, for their user and their purpose only", async () => {
    const { auth } = await connect(server);
    const { key, wrappedKey } = await auth.createUserKey(userId, "orders");
    expect(key).toHaveLength(32);
    expect(await auth.decryptKey({ userId, purpose: "orders", wrappedKey })).toStrictEqual({ key });
    const other = userId.replace(/1$/, "2");
    expect(await codeOf(auth.decryptKey({ userId, purpose: "other", wrappedKey }))).toBe("validation_failed");
    expect(await codeOf(auth.decryptKey({ userId: other, purpose: "orders", wrappedKey }))).toBe("validation_failed");
    expect(await codeOf(auth.createUserKey("nobody", "orders"))).toBe("validation_failed");
  });
});
