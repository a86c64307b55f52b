import { type ClientChannel, type CurveName, type SealedMessage, type SigJwk, sealHandshake } from "@sello/envelope";
import { call } from "./client.ts";
import { publishedKeys, recipientOf, serverSeconds } from "./seal.ts";
import type { TestApp } from "./start-app.ts";

export type OpenedChannel = { sid: string; expiresInS: number; channel: ClientChannel };

/** A handshake over the plain route, with a key share where a curve is named. */
export async function shakeHands(server: TestApp, keyShare?: CurveName): Promise<OpenedChannel> {
  const keys = await publishedKeys(server.url);
  const recipient = await recipientOf(server.url, "ECDH-ES");
  const { envelope, openAnswer } = await sealHandshake(recipient, {
    binding: "/auth/handshake",
    now: serverSeconds(server),
    ...(keyShare && { keyShare }),
  });
  const { body } = await call<{ __front_enc__: Parameters<typeof openAnswer>[0] }>(`${server.url}/auth/handshake`, {
    body: { __front_enc__: envelope },
  });
  const sigKeys = keys.filter(({ use }) => use === "sig") as unknown as SigJwk[];
  return openAnswer(body.__front_enc__, { sigKeys });
}

/** The JSON that an answer held. */
export async function opened(sealed: SealedMessage, answer: object): Promise<Record<string, unknown>> {
  const plaintext = await sealed.openAnswer(answer as Parameters<SealedMessage["openAnswer"]>[0]);
  return JSON.parse(Buffer.from(plaintext).toString());
}
