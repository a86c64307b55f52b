import { createHmac, generateKeyPairSync, type KeyObject } from "node:crypto";
import {
  CompactEncrypt,
  calculateJwkThumbprint,
  compactDecrypt,
  compactVerify,
  createLocalJWKSet,
  exportJWK,
  jwtVerify,
  SignJWT,
} from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RingKey } from "../src/crypto/key-ring.ts";
import { call, me, registerUser, type Tokens } from "./support/client.ts";
import { startApp, startAppForTest, type TestApp } from "./support/start-app.ts";

let server: TestApp;
let user: Tokens;
let keys: { sig: RingKey; enc: RingKey; front: RingKey };
beforeAll(async () => {
  server = await startApp();
  user = await registerUser(server.url);
  const { ring } = server.app.keys;
  const front = ring.published().keys.find((key) => key.use === "enc_front" && key.alg === "ECDH-ES");
  keys = {
    sig: ring.signer() as RingKey,
    enc: ring.encrypter() as RingKey,
    front: ring.findOpener(front?.kid ?? "") as unknown as RingKey,
  };
});
afterAll(() => server[Symbol.asyncDispose]());

type Claims = Record<string, unknown>;
type Forge = { claims?: Claims; header?: Claims; sigKey?: KeyObject; outer?: Claims; encKey?: KeyObject };

const now = () => Math.floor(server.clock.now().getTime() / 1000);

function goodClaims(): Claims {
  return {
    iss: "http://localhost:8080",
    aud: "sello",
    sub: user.user.id,
    sid: "00000000-0000-4000-8000-000000000000",
    jti: "jti",
    iat: now(),
    nbf: now(),
    exp: now() + 900,
    username: String(user.user["username"]),
    roles: ["user"],
    permissions: [],
  };
}

const text = (value: unknown) =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

/** A token as jose makes one, with whatever a test changes about it. */
async function signed({ claims = {}, header = {}, sigKey = keys.sig.privateKey }: Forge = {}): Promise<string> {
  const payload = { ...goodClaims(), ...claims };
  for (const [name, value] of Object.entries(claims)) if (value === undefined) delete payload[name];
  const protectedHeader = { alg: "ES256", typ: "at+jwt", kid: keys.sig.kid, ...header };
  return new SignJWT(payload).setProtectedHeader(protectedHeader as { alg: string }).sign(sigKey);
}

function sealed(jws: string, { outer = {}, encKey = keys.enc.publicKey }: Forge = {}): Promise<string> {
  const header = { alg: "ECDH-ES+A256KW", enc: "A256GCM", cty: "JWT", kid: keys.enc.kid, ...outer };
  for (const [name, value] of Object.entries(outer)) if (value === undefined) delete (header as Claims)[name];
  return new CompactEncrypt(Buffer.from(jws))
    .setProtectedHeader(header as { alg: string; enc: string })
    .encrypt(encKey);
}

const nested = async (forge: Forge = {}) => sealed(await signed(forge), forge);

/** Replaces the protected header of a compact text, whose authentication then fails or is not looked at. */
function withHeader(token: string, change: (header: Claims) => unknown): string {
  const [header = "", ...rest] = token.split(".");
  return [text(change(JSON.parse(Buffer.from(header, "base64url").toString()))), ...rest].join(".");
}

function unsecured(claims: Claims): string {
  return `${text({ alg: "none", typ: "at+jwt", kid: keys.sig.kid })}.${text(claims)}.`;
}

function hmacWithPublicKey(): string {
  const input = `${text({ alg: "HS256", typ: "at+jwt", kid: keys.sig.kid })}.${text(goodClaims())}`;
  const secret = keys.sig.publicKey.export({ format: "pem", type: "spki" });
  return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`;
}

const p256 = () => generateKeyPairSync("ec", { namedCurve: "P-256" });
const LOW_ORDER = [
  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
  "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
  "4Ot6fDtBuK4WVuP68Z_EatoJjeucMrH9hmIFFl9JuAA",
];

const FORGED: Record<string, () => Promise<string> | string> = {
  "is empty but for dots": () => "....",
  "is unsecured": () => sealed(unsecured(goodClaims())),
  "is unsecured and bare": () => unsecured(goodClaims()),
  "is signed with the public key as a secret": () => sealed(hmacWithPublicKey()),
  "is signed by somebody else": () => nested({ sigKey: p256().privateKey }),
  "says another algorithm than its key's": async () =>
    sealed(withHeader(await signed(), (h) => ({ ...h, alg: "RS256" }))),
  "is the inner signature, sent bare": () => signed(),
  "is claims that are encrypted and not signed": () => sealed(JSON.stringify(goodClaims())),
  "is encrypted twice": async () => sealed(await nested()),
  "is JSON serialisation": async () => JSON.stringify({ protected: "", payload: await signed() }),
  "has no cty": () => nested({ outer: { cty: undefined } }),
  "has another typ": () => nested({ header: { typ: "JWT" } }),
  "has no typ": async () => sealed(withHeader(await signed(), ({ typ: _typ, ...h }) => h)),
  "has another enc": () => nested({ outer: { enc: "A128GCM" } }),
  "has another key management": () => nested({ outer: { alg: "ECDH-ES" } }),
  compresses: async () => withHeader(await nested(), (h) => ({ ...h, zip: "DEF" })),
  "has crit": () => nested({ header: { crit: ["b64"], b64: true } }),
  "has no kid": async () => sealed(withHeader(await signed(), ({ kid: _kid, ...h }) => h)),
  "has no outer kid": () => nested({ outer: { kid: undefined } }),
  "has an unknown kid": () => nested({ header: { kid: "unknown" } }),
  "has a kid that is a list": () => nested({ outer: { kid: [keys.enc.kid] } }),
  "has the kid __proto__": () => nested({ header: { kid: "__proto__" }, outer: { kid: "__proto__" } }),
  "has a kid that is a path": () => nested({ outer: { kid: "../../etc/passwd" } }),
  "has a kid of 3 kB": () => nested({ header: { kid: "k".repeat(3000) } }),
  "is signed under the kid of an encryption key": () => nested({ header: { kid: keys.enc.kid } }),
  "is encrypted under the kid of an envelope key": () => nested({ outer: { kid: keys.front.kid } }),
  "is encrypted for somebody else": () => nested({ encKey: generateKeyPairSync("x25519").publicKey }),
  "has an epk of another curve": async () => {
    const other = await exportJWK(p256().publicKey);
    return withHeader(await nested(), (h) => ({ ...h, epk: other }));
  },
  "has a private epk": async () => {
    const other = await exportJWK(generateKeyPairSync("x25519").privateKey);
    return withHeader(await nested(), (h) => ({ ...h, epk: other }));
  },
  "has an epk of the wrong length": async () =>
    withHeader(await nested(), (h) => ({ ...h, epk: { kty: "OKP", crv: "X25519", x: "AAAA" } })),
  "has no epk": async () => withHeader(await nested(), ({ epk: _epk, ...h }) => h),
  "has a header that is a list": async () => withHeader(await nested(), (h) => [h]),
  "has a header that is null": async () => withHeader(await nested(), () => null),
  "has a short tag": async () => (await nested()).replace(/\.([^.]{10})[^.]*$/, ".$1"),
  "has an altered tag": async () =>
    (await nested()).replace(/(.)([^.]{5})$/, (_all, one, end) => `${one === "A" ? "B" : "A"}${end}`),
  "is cut off": async () => (await nested()).slice(0, -40),
  "has six parts": async () => `${await nested()}.AAAA`,
  "is of another issuer": () => nested({ claims: { iss: "https://evil.example" } }),
  "is for another audience": () => nested({ claims: { aud: "other" } }),
  "is for a list of audiences": () => nested({ claims: { aud: ["sello"] } }),
  "has an object for sub": () => nested({ claims: { sub: { id: 1 } as unknown } }),
  "has a sub that is no id": () => nested({ claims: { sub: "x' OR 1=1" } }),
  "expires in words": () => nested({ claims: { exp: "tomorrow" } }),
  "is issued in the future": () => nested({ claims: { iat: now() + 60 } }),
  "is not valid yet": () => nested({ claims: { nbf: now() + 60 } }),
  "has claims that are no JSON": async () =>
    sealed(`${text({ alg: "ES256", typ: "at+jwt", kid: keys.sig.kid })}.AAAA.AAAA`),
  "is a refresh token": () => user.refresh_token,
  ...Object.fromEntries(
    ["iss", "aud", "sub", "sid", "jti", "iat", "nbf", "exp"].map((claim) => [
      `has no ${claim}`,
      () => nested({ claims: { [claim]: undefined } }),
    ]),
  ),
  ...Object.fromEntries(
    ["jku", "x5u", "x5c", "jwk", "p2c"].map((name) => [
      `has ${name}, inside or outside`,
      async () => sealed(await signed({ header: { [name]: "https://evil.example/keys" } }), { outer: {} }),
    ]),
  ),
  ...Object.fromEntries(
    LOW_ORDER.map((x) => [
      `has the low-order point ${x.slice(0, 6)}`,
      async () => withHeader(await nested(), (h) => ({ ...h, epk: { kty: "OKP", crv: "X25519", x } })),
    ]),
  ),
};

const INVALID = { error: { code: "token_invalid", message: "The access token is not valid." } };

describe("a token", () => {
  test.each(Object.keys(FORGED))("that %s is refused with the one body", async (name) => {
    const forged = await FORGED[name]?.();
    const start = performance.now();
    const answer = await me(server.url, forged ?? "");
    expect(answer.body).toStrictEqual(INVALID);
    expect(answer.status).toBe(401);
    expect(answer.headers.get("www-authenticate")).toBe('Bearer error="invalid_token"');
    expect(performance.now() - start).toBeLessThan(250);
  });

  test("that jose made in our shape is a token of ours, of a session that must be alive", async () => {
    expect((await me(server.url, await nested())).body.error.code).toBe("token_revoked");
    const claims = await server.app.deps.accessTokens.verify(user.access_token);
    const good = await nested({ claims: { sid: claims.sessionId } });
    expect((await me(server.url, good)).status).toBe(200);
  });

  test("in another spelling is refused, also while the right one is remembered", async () => {
    expect((await me(server.url, user.access_token)).status).toBe(200);
    const parts = user.access_token.split(".");
    const last = parts.at(-1) ?? "";
    const spellings = [
      `${user.access_token}=`,
      [...parts.slice(0, -1), last.slice(0, -1) + String.fromCharCode(last.charCodeAt(last.length - 1) + 1)].join("."),
      parts.join(".").replace("-", "+"),
    ];
    for (const spelling of spellings.filter((one) => one !== user.access_token)) {
      expect((await me(server.url, spelling)).body).toStrictEqual(INVALID);
    }
  });

  test("expires thirty seconds after its time, for clocks differ", async () => {
    const own = await startAppForTest();
    const { access_token } = await registerUser(own.url);
    own.clock.advance(929);
    expect((await me(own.url, access_token)).status).toBe(200);
    own.clock.advance(1);
    expect((await me(own.url, access_token)).body.error.code).toBe("token_expired");
  });

  test("in a URL is not looked at, and a missing one is said to be missing", async () => {
    const answer = await call(`${server.url}/auth/me?access_token=${user.access_token}`);
    expect(answer.body).toMatchObject({ error: { code: "token_missing" } });
    expect(answer.headers.get("www-authenticate")).toBe("Bearer");
  });

  test("over 16 KiB is refused before it is parsed", async () => {
    const long = await nested({ claims: { filler: "x".repeat(17_000) } });
    await expect(server.app.deps.accessTokens.verify(long)).rejects.toMatchObject({ reason: "token_invalid" });
  });

  test("is no refresh token", async () => {
    const answer = await call(`${server.url}/auth/token/refresh`, { body: { refresh_token: user.access_token } });
    expect(answer.body).toMatchObject({ error: { code: "refresh_invalid" } });
  });
});

const ALGORITHMS = ["ES256", "RS256", "PS256", "EdDSA"].flatMap((SIGNING_ALG) => [
  { SIGNING_ALG, ENCRYPTION_ALG: "ECDH-ES+A256KW", ENCRYPTION_CRV: "X25519" },
  { SIGNING_ALG, ENCRYPTION_ALG: "ECDH-ES+A256KW", ENCRYPTION_CRV: "P-256" },
  { SIGNING_ALG, ENCRYPTION_ALG: "RSA-OAEP-256", ENCRYPTION_CRV: "X25519" },
]);

describe("every algorithm", () => {
  test.each(ALGORITHMS)("%j makes tokens that jose opens and the server accepts", async (env) => {
    const own = await startAppForTest({ env });
    const { access_token, user: of } = await registerUser(own.url);
    const { ring } = own.app.keys;
    const { plaintext, protectedHeader } = await compactDecrypt(access_token, (ring.encrypter() as RingKey).privateKey);
    expect(protectedHeader).toMatchObject({
      alg: env.ENCRYPTION_ALG,
      enc: "A256GCM",
      cty: "JWT",
      kid: ring.encrypter().kid,
    });
    const set = await call<{ keys: never[] }>(`${own.url}/.well-known/jwks.json`);
    const { payload, protectedHeader: inner } = await jwtVerify(plaintext, createLocalJWKSet(set.body), {
      issuer: "http://localhost:8080",
      audience: "sello",
      typ: "at+jwt",
      currentDate: own.clock.now(),
    });
    expect(inner).toStrictEqual({ alg: env.SIGNING_ALG, typ: "at+jwt", kid: ring.signer().kid });
    expect(payload).toMatchObject({ sub: of.id, roles: ["user"], permissions: [] });
    expect((await me(own.url, access_token)).status).toBe(200);
    expect(
      (
        await me(
          own.url,
          access_token.replace(/.$/, (c) => (c === "A" ? "Q" : "A")),
        )
      ).status,
    ).toBe(401);
  });

  test("without nesting, a token is the signature alone, which others verify with the key set", async () => {
    const own = await startAppForTest({ env: { ACCESS_TOKEN_NESTED: "false" } });
    const { access_token } = await registerUser(own.url);
    expect((await me(own.url, access_token)).status).toBe(200);
    const set = await call<{ keys: never[] }>(`${own.url}/.well-known/jwks.json`);
    expect((await compactVerify(access_token, createLocalJWKSet(set.body))).protectedHeader.alg).toBe("ES256");
  });
});

describe("the key set", () => {
  test("holds the keys by use with RFC 7638 kids, the active one first, and nothing private", async () => {
    const answer = await call<{ keys: Record<string, string>[] }>(`${server.url}/.well-known/jwks.json`);
    const uses = answer.body.keys.map(({ use, alg }) => `${use} ${alg}`);
    expect(new Set(uses)).toStrictEqual(
      new Set(["sig ES256", "enc ECDH-ES+A256KW", "enc_front RSA-OAEP-256", "enc_front ECDH-ES"]),
    );
    expect(answer.body.keys.find(({ use }) => use === "sig")?.["kid"]).toBe(keys.sig.kid);
    for (const { kid, use: _use, alg: _alg, ...jwk } of answer.body.keys) {
      expect(Object.keys(jwk).every((member) => ["kty", "crv", "x", "y", "n", "e"].includes(member))).toBe(true);
      expect(kid).toBe(await calculateJwkThumbprint(jwk as Parameters<typeof calculateJwkThumbprint>[0]));
    }
    expect(answer.headers.get("cache-control")).toBe("public, max-age=300");
  });

  test("answers 304 to who has it", async () => {
    const etag = (await call(`${server.url}/.well-known/jwks.json`)).headers.get("etag") ?? "";
    const again = await call(`${server.url}/.well-known/jwks.json`, { headers: { "if-none-match": etag } });
    expect(again.status).toBe(304);
  });
});
