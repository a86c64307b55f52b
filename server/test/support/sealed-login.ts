import { type FrontJwk, importRecipient, sealRequest } from "@sello/envelope";
import { call, newUser } from "./client.ts";
import type { TestApp } from "./start-app.ts";

type ErrorAnswer = { error: { code: string } };

/** A login whose body is sealed: it needs a nonce. */
export async function sealedLogin(server: Pick<TestApp, "url">): Promise<{ status: number; body: ErrorAnswer }> {
  const { body } = await call<{ keys: (FrontJwk & { use?: string })[] }>(`${server.url}/.well-known/jwks.json`);
  const jwk = body.keys.find(({ use }) => use === "enc_front");
  if (jwk === undefined) throw new Error("no key for envelopes is published");
  const { use: _use, ...key } = jwk;
  const message = JSON.stringify({ identifier: newUser().email, password: "not the passphrase" });
  const sealed = await sealRequest(await importRecipient(key as FrontJwk), message, {
    binding: "/auth/login",
    now: Math.floor(Date.now() / 1000),
  });
  return call(`${server.url}/auth/login`, { body: { __front_enc__: sealed.envelope } });
}
