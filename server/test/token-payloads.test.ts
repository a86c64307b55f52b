import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { createAccessTokens } from "../src/crypto/access-tokens.ts";
import { encryptCompact } from "../src/crypto/jwe.ts";
import { signCompact } from "../src/crypto/jws.ts";
import { type KeyStore, openKeys } from "../src/crypto/key-store.ts";
import { createTestClock } from "./support/test-clock.ts";
import { testKeySettings } from "./support/test-keys.ts";

const clock = createTestClock();
let folder: string;
let keys: KeyStore;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sello-payloads-"));
  await cp(inject("keysDir"), folder, { recursive: true });
  const onError = (error: unknown) => expect.unreachable(String(error));
  keys = await openKeys({ settings: testKeySettings(folder), clock, generate: false, onError });
});
afterAll(async () => {
  keys[Symbol.dispose]();
  await rm(folder, { recursive: true });
});

const ID = "00000000-0000-4000-8000-000000000000";
const now = Math.floor(clock.now().getTime() / 1000);
const GOOD = {
  ...{ iss: "issuer", aud: "audience", sub: ID, sid: ID, jti: "jti", iat: now, nbf: now, exp: now + 900 },
  ...{ username: "ann", roles: ["user"], permissions: [] },
};

const PAYLOADS: Record<string, string> = {
  empty: "",
  "no JSON": "sub=1",
  "cut off JSON": JSON.stringify(GOOD).slice(0, -1),
  "JSON and something after it": `${JSON.stringify(GOOD)}{}`,
  null: "null",
  "a number": "1",
  "a boolean": "true",
  "a string": JSON.stringify("claims"),
  "claims as a string": JSON.stringify(JSON.stringify(GOOD)),
  "an array": "[]",
  "an array of claims": JSON.stringify([GOOD]),
  "an object without claims": "{}",
  "a deep nest": `${"[".repeat(5_000)}${"]".repeat(5_000)}`,
};

describe.each([{ nested: true }, { nested: false }])(
  "with nested tokens: $nested, a token of our own keys",
  ({ nested }) => {
    const tokens = () =>
      createAccessTokens({
        keys: keys.ring,
        clock,
        settings: { issuer: "issuer", audience: "audience", ttlS: 900, nested },
      });

    async function tokenOf(payload: string): Promise<string> {
      const jws = await signCompact(keys.ring.signer(), "at+jwt", payload);
      return { true: () => encryptCompact(keys.ring.encrypter(), jws), false: () => jws }[`${nested}`]();
    }

    test.each(Object.keys(PAYLOADS))("whose payload is %s is not valid", async (name) => {
      const token = await tokenOf(PAYLOADS[name] ?? "");
      await expect(tokens().verify(token)).rejects.toMatchObject({ name: "AuthError", reason: "token_invalid" });
      expect(await tokens().read(token)).toBeUndefined();
    });

    test("whose payload is claims is valid", async () => {
      const token = await tokenOf(JSON.stringify(GOOD));
      expect(await tokens().verify(token)).toMatchObject({ userId: ID, sessionId: ID });
    });
  },
);
