import { createClient } from "@connectrpc/connect";
import { EnvelopeService } from "@sello/gen/backend/v1/envelope_service_pb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newServiceAccount, reasonOf, TRANSPORTS } from "./support/backend.ts";
import { opened as openAnswer, shakeHands } from "./support/channel.ts";
import { recipientOf, seal } from "./support/seal.ts";
import { startApp, startAppForTest, type TestApp } from "./support/start-app.ts";

let server: TestApp;
let secret: string;
beforeAll(async () => {
  server = await startApp();
  secret = await newServiceAccount(server);
});
afterAll(() => server[Symbol.asyncDispose]());

const BINDING = "/orders";
const headers = () => ({ authorization: `Bearer ${secret}` });

async function sealed(binding: string, options: { withAad?: boolean } = {}) {
  const recipient = await recipientOf(server.url, "ECDH-ES");
  return seal(server, { item: 7 }, { recipient, binding, ...options });
}

describe("what a browser sealed for another back end", () => {
  test.each(TRANSPORTS)("is opened once, and answered, over %s", async (_name, createTransport) => {
    const envelopes = createClient(EnvelopeService, createTransport({ baseUrl: server.url, interceptors: [] }));
    const { envelope, openAnswer } = await sealed(BINDING);
    const request = { envelope: { case: "frontEnc" as const, value: envelope }, binding: BINDING };
    const { payload, sealTicket } = await envelopes.open(request, { headers: headers() });
    expect(JSON.parse(Buffer.from(payload).toString())).toStrictEqual({ item: 7 });
    const answer = await envelopes.seal({ sealTicket, payload: Buffer.from("[1]") }, { headers: headers() });
    expect(Buffer.from(await openAnswer(answer.envelope.value as never)).toString()).toBe("[1]");
    expect(await reasonOf(envelopes.open(request, { headers: headers() }))).toBe("envelope_replayed");
    const empty = envelopes.seal({ sealTicket, payload: new Uint8Array() }, { headers: headers() });
    expect(await reasonOf(empty)).toBe("validation_failed");
  });

  test.each(["/auth/login", "/auth.v1.AuthService/Login", "/auth/handshake", "/backend.v1.KmsService/DecryptKey"])(
    "is forbidden to open where it was meant for the server's own %s",
    async (binding) => {
      const [, createTransport] = TRANSPORTS[0] ?? expect.unreachable();
      const envelopes = createClient(EnvelopeService, createTransport({ baseUrl: server.url, interceptors: [] }));
      const { envelope } = await sealed(binding);
      const request = { envelope: { case: "frontEnc" as const, value: envelope }, binding };
      expect(await reasonOf(envelopes.open(request, { headers: headers() }))).toBe("forbidden");
    },
  );

  test("is not opened when it does not say for whom it was meant, though the server takes such envelopes itself", async () => {
    const [, createTransport] = TRANSPORTS[0] ?? expect.unreachable();
    const envelopes = createClient(EnvelopeService, createTransport({ baseUrl: server.url, interceptors: [] }));
    const { envelope } = await sealed("/auth/login", { withAad: false });
    const request = { envelope: { case: "frontEnc" as const, value: envelope }, binding: BINDING };
    expect(await reasonOf(envelopes.open(request, { headers: headers() }))).toBe("envelope_invalid");
  });

  test.each([
    ["/orders", undefined],
    ["/orders/7", undefined],
    ["/shop.v1.ReportService/CountOrders", undefined],
    ["/orders2", "forbidden"],
    ["/", "forbidden"],
    ["/Orders", "forbidden"],
    ["/order", "forbidden"],
    ["/payments/orders", "forbidden"],
    ["/orders/../payments", undefined],
  ])("at %s is opened by an account for /orders and /shop.v1.ReportService, or not: %s", async (binding, reason) => {
    const bindings = ["/shop.v1.ReportService", "/orders"];
    const restricted = { authorization: `Bearer ${await newServiceAccount(server, { bindings })}` };
    const [, createTransport] = TRANSPORTS[0] ?? expect.unreachable();
    const envelopes = createClient(EnvelopeService, createTransport({ baseUrl: server.url, interceptors: [] }));
    const { envelope } = await sealed(binding);
    const request = { envelope: { case: "frontEnc" as const, value: envelope }, binding };
    expect(await reasonOf(envelopes.open(request, { headers: restricted }))).toBe(reason);
  });

  test("is left for whom it was meant by an account that may not open it, which learns nothing of it", async () => {
    const restricted = { authorization: `Bearer ${await newServiceAccount(server, { bindings: ["/payments"] })}` };
    const [, createTransport] = TRANSPORTS[0] ?? expect.unreachable();
    const envelopes = createClient(EnvelopeService, createTransport({ baseUrl: server.url, interceptors: [] }));
    const { envelope } = await sealed(BINDING);
    const open = (binding: string, as: Record<string, string>, value: object = envelope) =>
      envelopes.open({ envelope: { case: "frontEnc" as const, value }, binding }, { headers: as });
    const messageOf = (call: Promise<unknown>) => call.then(String, (error: Error) => error.message);
    const whole = await messageOf(open(BINDING, restricted));
    expect(whole).toContain("may not open what is sealed for this path");
    expect(await messageOf(open(BINDING, restricted, { ...envelope, ct: "AAAA" }))).toBe(whole);
    expect(await reasonOf(open("/payments", restricted))).toBe("envelope_invalid");
    expect(await reasonOf(open(BINDING, headers()))).toBeUndefined();
  });
});

describe("the answer to a message of a channel", () => {
  test("is sealed when the channel has ended meanwhile, for ten minutes, for the account that opened it", async () => {
    const own = await startAppForTest({ env: { REDIS_URL: "", CHANNEL_TTL_S: "100" } });
    const [holder, stranger] = [await newServiceAccount(own), await newServiceAccount(own)];
    const [, createTransport] = TRANSPORTS[0] ?? expect.unreachable();
    const envelopes = createClient(EnvelopeService, createTransport({ baseUrl: own.url, interceptors: [] }));
    const as = (account: string) => ({ headers: { authorization: `Bearer ${account}` } });
    const { channel } = await shakeHands(own, "P-256");
    const [sealed, late] = [await channel.seal('{"item":7}', BINDING), await channel.seal("{}", BINDING)];
    const open = ({ envelope }: typeof sealed) =>
      envelopes.open({ envelope: { case: "sessionEnc", value: envelope }, binding: BINDING }, as(holder));
    const { sealTicket } = await open(sealed);
    own.clock.advance(161);
    expect(await reasonOf(open(late))).toBe("channel_expired");

    const payload = Buffer.from('{"done":true}');
    const { envelope } = await envelopes.seal({ sealTicket, payload }, as(holder));
    expect(envelope.case).toBe("sessionEnc");
    expect(await openAnswer(sealed, envelope.value as object)).toStrictEqual({ done: true });
    await expect(late.openAnswer(envelope.value as never)).rejects.toMatchObject({ code: "envelope_invalid" });
    expect(await reasonOf(envelopes.seal({ sealTicket, payload }, as(stranger)))).toBe("envelope_invalid");
    own.clock.advance(440);
    expect(await reasonOf(envelopes.seal({ sealTicket, payload }, as(holder)))).toBe("envelope_expired");
  });

  test("comes in a ticket that shows no key", async () => {
    const { channel } = await shakeHands(server);
    const { envelope } = await channel.seal("{}", BINDING);
    const [, createTransport] = TRANSPORTS[0] ?? expect.unreachable();
    const envelopes = createClient(EnvelopeService, createTransport({ baseUrl: server.url, interceptors: [] }));
    const request = { envelope: { case: "sessionEnc" as const, value: envelope }, binding: BINDING };
    const { sealTicket } = await envelopes.open(request, { headers: headers() });
    expect(sealTicket).toMatch(/^kms1\.[\w-]+\.[\w-]+$/);
    expect(Buffer.from(sealTicket.split(".")[2] ?? "", "base64url").toString("latin1")).not.toMatch(
      /answerKey|sid|session/,
    );
  });
});
