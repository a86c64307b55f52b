import { generateKeyPair, SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { call, loginUser, registerUser } from "../../server/test/support/client.ts";
import { startApp, startAppForTest, type TestApp } from "../../server/test/support/start-app.ts";
import type { PublishedKey } from "../src/authority.ts";
import type { CreateAuthOptions } from "../src/index.ts";
import { createKeySet } from "../src/key-set.ts";
import { createLocalTokens } from "../src/local-tokens.ts";
import { codeOf, connect } from "./support/client.ts";
import { countCalls } from "./support/count-calls.ts";

const env = { ACCESS_TOKEN_NESTED: "false" };
const VALIDATE = "TokenService/ValidateToken";
const local = { issuer: "http://localhost:8080", audience: "sello" };

let server: TestApp;
beforeAll(async () => {
  server = await startApp({ env });
});
afterAll(() => server[Symbol.asyncDispose]());

/** A client whose watch began long ago, by its own clock and by the server's. */
async function connectLocal(to: TestApp, options: Partial<CreateAuthOptions> = {}) {
  const startMs = to.clock.now().getTime();
  let nowMs = startMs;
  const client = await connect(to, { localTokens: local, nowMs: () => nowMs, ...options });
  await vi.waitFor(() => expect(client.auth.isWatching).toBe(true), { timeout: 5_000, interval: 10 });
  const pass = (seconds: number) => {
    to.clock.advance(seconds);
    nowMs += seconds * 1000;
  };
  return { ...client, pass };
}

describe("plain tokens", () => {
  test("are read here, without a call, when their session began while the server told of revocations", async () => {
    const own = await startAppForTest({ env });
    const { auth, pass } = await connectLocal(own);
    pass(60);
    const user = await registerUser(own.url);
    const { user: found, sessionId } = await auth.validate(user.access_token);
    expect(found).toMatchObject({ id: user.user.id, username: user.credentials.username });
    expect(sessionId).toMatch(/^[0-9a-f-]{36}$/);
    expect(countCalls(own, VALIDATE)).toBe(0);
  });

  test("of older sessions are asked for, since their end may have been missed", async () => {
    const own = await startAppForTest({ env });
    const [user, gone] = [await registerUser(own.url), await registerUser(own.url)];
    await call(`${own.url}/auth/logout`, { body: { refresh_token: gone.refresh_token } });
    const { auth } = await connectLocal(own);
    expect(await codeOf(auth.validate(user.access_token))).toBe("none");
    expect(await codeOf(auth.validate(gone.access_token))).toBe("token_revoked");
    expect(countCalls(own, VALIDATE)).toBe(2);
  });

  test("are refused within a second of the end of their session, remembered or not", async () => {
    const own = await startAppForTest({ env });
    const { auth, pass } = await connectLocal(own);
    pass(60);
    const [seen, unseen] = [await registerUser(own.url), await registerUser(own.url)];
    await auth.validate(seen.access_token);
    for (const { refresh_token } of [seen, unseen]) await call(`${own.url}/auth/logout`, { body: { refresh_token } });
    for (const { access_token } of [seen, unseen]) {
      await vi.waitFor(async () => expect(await codeOf(auth.validate(access_token))).toBe("token_revoked"), {
        timeout: 1_000,
        interval: 10,
      });
    }
    expect(countCalls(own, VALIDATE)).toBe(0);
  });

  test("are over when they say so, give or take 30 seconds", async () => {
    const own = await startAppForTest({ env });
    const { auth, pass } = await connectLocal(own, { cache: { lifeMs: 0 } });
    pass(60);
    const { access_token } = await registerUser(own.url);
    pass(929);
    expect(await codeOf(auth.validate(access_token))).toBe("none");
    pass(2);
    expect(await codeOf(auth.validate(access_token))).toBe("token_expired");
    expect(countCalls(own, VALIDATE)).toBe(0);
  });

  test("of a key that came after the keys were fetched are read all the same", async () => {
    const own = await startAppForTest({ env });
    const { auth, pass } = await connectLocal(own, { cache: { lifeMs: 0 } });
    pass(60);
    const before = await registerUser(own.url);
    await auth.validate(before.access_token);
    await own.app.keys.rotate();
    const after = await vi.waitFor(async () => {
      const { body } = await loginUser(own.url, before.credentials.email);
      expect(kidOf(body.access_token)).not.toBe(kidOf(before.access_token));
      return body;
    });
    await vi.waitFor(async () => expect(await codeOf(auth.validate(after.access_token))).toBe("none"), {
      timeout: 3_000,
      interval: 20,
    });
    expect(await codeOf(auth.validate(before.access_token))).toBe("none");
    expect(countCalls(own, VALIDATE)).toBe(0);
  });

  test("go to the server where nothing is known of issuer and audience", async () => {
    const own = await startAppForTest({ env });
    const { auth } = await connect(own);
    const { access_token } = await registerUser(own.url);
    await auth.validate(access_token);
    expect(countCalls(own, VALIDATE)).toBe(1);
  });

  test("of another issuer or for another audience are refused here", async () => {
    const { access_token } = await registerUser(server.url);
    for (const other of [{ issuer: "http://other" }, { audience: "other" }]) {
      const { auth } = await connectLocal(server, { localTokens: { ...local, ...other } });
      expect(await codeOf(auth.validate(access_token))).toBe("token_invalid");
    }
  });
});

describe("a forged token", () => {
  const nowS = 1_700_000_000;
  const claims = {
    iss: local.issuer,
    aud: local.audience,
    sub: "u",
    sid: "s",
    jti: "j",
    iat: nowS,
    nbf: nowS,
    exp: nowS + 900,
    roles: [],
    permissions: [],
    username: "anna",
  };
  const header = { alg: "ES256", typ: "at+jwt", kid: "k" };
  let privateKey: CryptoKey;
  let published: PublishedKey[];
  let fetched = 0;
  beforeAll(async () => {
    const pair = await generateKeyPair("ES256", { extractable: true });
    privateKey = pair.privateKey;
    const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", pair.publicKey);
    const key = { kty, crv, x, y, kid: "k", alg: "ES256" };
    published = [
      { ...key, use: "sig" },
      { ...key, use: "enc_front", kid: "front" },
    ] as PublishedKey[];
  });
  const verify = (token: string) => {
    const jwks = async () => {
      fetched++;
      return published;
    };
    const keys = createKeySet({ jwks });
    return codeOf(createLocalTokens({ ...local, keys, nowMs: () => nowS * 1000 }).verify(token));
  };
  const sign = (changedClaims: object, changedHeader: object = {}) =>
    new SignJWT({ ...claims, ...changedClaims })
      .setProtectedHeader({ ...header, ...changedHeader } as typeof header)
      .sign(privateKey);

  test("is told from a good one", async () => {
    expect(await verify(await sign({}))).toBe("none");
    expect(await verify(await sign({ exp: nowS - 31 }))).toBe("token_expired");
  });

  test.each([
    ["has no sub", { sub: undefined }],
    ["has an object as sub", { sub: {} }],
    ["has no sid", { sid: undefined }],
    ["has no jti", { jti: undefined }],
    ["has no exp", { exp: undefined }],
    ["has no iat", { iat: undefined }],
    ["was issued tomorrow", { iat: nowS + 31 }],
    ["is not valid yet", { nbf: nowS + 31 }],
    ["has a list of audiences", { aud: [local.audience, "other"] }],
    ["has a text of roles", { roles: "admin" }],
    ["has numbers as permissions", { permissions: [1] }],
    ["has no username", { username: undefined }],
  ])("that %s is refused", async (_name, change) => {
    expect(await verify(await sign(change))).toBe("token_invalid");
  });

  test.each([
    ["another typ", { typ: "JWT" }],
    ["a long typ", { typ: "application/at+jwt" }],
    ["no kid", { kid: undefined }],
    ["a kid of nobody", { kid: "__proto__" }],
    ["a kid of another use", { kid: "front" }],
    ["a jku", { jku: "http://127.0.0.1:1/keys" }],
    ["a jwk", { jwk: { kty: "EC" } }],
  ])("with %s is refused", async (_name, change) => {
    expect(await verify(await sign({}, change))).toBe("token_invalid");
  });

  test.each(["none", "HS256", "RS256"])("that claims to be %s is refused", async (alg) => {
    const [, payload, signature] = (await sign({})).split(".");
    const forged = Buffer.from(JSON.stringify({ ...header, alg })).toString("base64url");
    expect(await verify(`${forged}.${payload}.${signature}`)).toBe("token_invalid");
    expect(await verify(`${forged}.${payload}.`)).toBe("token_invalid");
  });

  test("by a key that is gone makes no more calls than one a second", async () => {
    const jwks = async () => {
      fetched++;
      return published;
    };
    const keys = createKeySet({ jwks });
    fetched = 0;
    for (const kid of ["a", "b", "c", "d"]) expect(await keys.find(kid)).toBeUndefined();
    expect(fetched).toBe(1);
  });
});

test("the keys that are known serve on while the server is away", async () => {
  let down = false;
  const published = (await call<{ keys: PublishedKey[] }>(`${server.url}/.well-known/jwks.json`)).body.keys;
  const keys = createKeySet({
    jwks: async () => {
      if (down) throw new Error("down");
      return published;
    },
  });
  const kid = published.find(({ use }) => use === "sig")?.kid ?? "";
  vi.useFakeTimers({ toFake: ["performance"] });
  onTestFinished(() => {
    vi.useRealTimers();
  });
  expect(await keys.find(kid)).toMatchObject({ alg: "ES256" });
  down = true;
  vi.advanceTimersByTime(200_000);
  expect(await keys.find(kid)).toMatchObject({ alg: "ES256" });
  vi.advanceTimersByTime(101_000);
  await expect(keys.find(kid)).rejects.toThrow("down");
});

function kidOf(token: string): unknown {
  return JSON.parse(Buffer.from(token.split(".")[0] ?? "", "base64url").toString()).kid;
}
