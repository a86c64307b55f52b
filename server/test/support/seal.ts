import { type FrontEnvelope, importRecipient, type Recipient, type SealedRequest, sealRequest } from "@sello/envelope";
import { call } from "./client.ts";
import type { TestApp } from "./start-app.ts";

type PublishedKey = { use: string; kid: string; alg: string; kty: string };

export async function publishedKeys(url: string): Promise<PublishedKey[]> {
  return (await call<{ keys: PublishedKey[] }>(`${url}/.well-known/jwks.json`)).body.keys;
}

/** The server's front keys, the one to use first in front. */
export async function recipientsOf(url: string): Promise<Recipient[]> {
  const front = (await publishedKeys(url)).filter((key) => key.use === "enc_front");
  return Promise.all(front.map((key) => importRecipient(key)));
}

export async function recipientOf(url: string, alg: FrontEnvelope["alg"]): Promise<Recipient> {
  const found = (await recipientsOf(url)).find((recipient) => recipient.alg === alg);
  if (found === undefined) throw new Error(`the server publishes no front key for ${alg}`);
  return found;
}

export type SealFor = { recipient: Recipient; binding: string; now?: number; jti?: string; withAad?: boolean };

/** Seals a body for one call, at the server's time unless told otherwise. */
export function seal(server: TestApp, body: unknown, options: SealFor): Promise<SealedRequest> {
  const { recipient, ...rest } = options;
  const plaintext = typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body);
  return sealRequest(recipient, plaintext, { now: serverSeconds(server), ...rest });
}

export function serverSeconds(server: TestApp): number {
  return Math.floor(server.clock.now().getTime() / 1000);
}
