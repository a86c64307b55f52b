import { type FrontAnswer, type FrontEnvelope, importRecipient, type Recipient, sealRequest } from "@sello/envelope";
import { call } from "./client.ts";

type Jwk = Parameters<typeof importRecipient>[0];

/** The server's key for envelopes, found as a client finds it. */
export async function recipientOf(url: string, alg: "RSA-OAEP-256" | "ECDH-ES" = "ECDH-ES"): Promise<Recipient> {
  const { body } = await call<{ keys: (Jwk & { use: string; alg: string })[] }>(`${url}/.well-known/jwks.json`);
  const key = body.keys.find((candidate) => candidate.use === "enc_front" && candidate.alg === alg);
  if (key === undefined) throw new Error(`the server publishes no ${alg} key for envelopes`);
  return importRecipient(key);
}

export type Sealed = { envelope: FrontEnvelope; open(answer: unknown): Promise<Record<string, unknown>> };

/** Seals a message for one call. */
export async function seal(
  recipient: Recipient,
  message: unknown,
  options: { binding: string; now: number; withAad?: boolean },
): Promise<Sealed> {
  const plaintext = typeof message === "string" ? message : JSON.stringify(message);
  const { envelope, openAnswer } = await sealRequest(recipient, plaintext, options);
  return {
    envelope,
    open: async (answer) => JSON.parse(new TextDecoder().decode(await openAnswer(answer as FrontAnswer))),
  };
}
