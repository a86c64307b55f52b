import {
  constants,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
  sign,
} from "node:crypto";
import { CompactSign, compactVerify } from "jose";
import { describe, expect, test } from "vitest";
import { type SigningKey, signCompact, type VerifyingKey, verifyCompact } from "../src/crypto/jws.ts";
import type { SignatureAlgorithmName } from "../src/crypto/key-algorithms.ts";

const text = (part: string) => Buffer.from(part, "base64url").toString("utf8");

function keyPair(alg: SignatureAlgorithmName, jwk: JsonWebKey): SigningKey & VerifyingKey {
  const privateKey = createPrivateKey({ key: jwk, format: "jwk" });
  return { kid: "kid", alg, privateKey, publicKey: createPublicKey(privateKey) };
}

/** The payload of RFC 7515 appendices A.2 and A.3. */
const PAYLOAD = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

const RFC_7515_A2 = {
  key: keyPair("RS256", {
    kty: "RSA",
    n: "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
    e: "AQAB",
    d: "Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui395IW_GO-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZHHzQlBjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRuOopznQ",
    p: "4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQn7ouZ2KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc",
    q: "uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD_YwD66t62wDmpe_HlB-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc",
    dp: "BwKfV3Akq5_MFZDFZCnW-wzl-CCo83WoZvnLQwCTeDv8uzluRSnm71I3QCLdhrqE2e9YkxvuxdBfpT_PI7Yz-FOKnu1R6HsJeDCjn12Sk3vmAktV2zb34MCdy7cpdTh_YVr7tss2u6vneTwrA86rZtu5Mbr1C1XsmvkxHQAdYo0",
    dq: "h_96-mK1R_7glhsum81dZxjTnYynPbZpHziZjeeHcXYsXaaMwkOlODsWa7I9xXDoRwbKgB719rrmI2oKr6N3Do9U0ajaHF-NKJnwgjMd2w9cjz3_-kyNlxAr2v4IKhGNpmM5iIgOS1VZnOZ68m6_pbLBSp3nssTdlqvd0tIiTHU",
    qi: "IYd7DHOhrWvxkwPQsRM2tOgrjbcrfvtQJipd-DlcxyVuuM9sQLdgjVk2oy26F0EmpScGLq2MowX7fhd_QJQ3ydy5cY7YIBi87w93IKLEdfnbJtoOPLUW0ITrJReOgo1cq9SbsxYawBgfp_gh6A5603k2-ZQwVK0JKSHuLFkuQ3U",
  }),
  payload: text(PAYLOAD),
  jws: `eyJhbGciOiJSUzI1NiJ9.${PAYLOAD}.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw`,
};

const RFC_7515_A3 = {
  key: keyPair("ES256", {
    kty: "EC",
    crv: "P-256",
    x: "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    y: "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    d: "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
  }),
  payload: text(PAYLOAD),
  jws: `eyJhbGciOiJFUzI1NiJ9.${PAYLOAD}.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q`,
};

const RFC_8037_A4 = {
  key: keyPair("EdDSA", {
    kty: "OKP",
    crv: "Ed25519",
    d: "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
    x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
  }),
  payload: "Example of Ed25519 signing",
  jws: "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
};

const EXAMPLES = { "RFC 7515 A.2": RFC_7515_A2, "RFC 7515 A.3": RFC_7515_A3, "RFC 8037 A.4": RFC_8037_A4 };
const NAMES = Object.keys(EXAMPLES) as (keyof typeof EXAMPLES)[];

/**
 * The JWS of the RFCs have neither `typ` nor `kid`, with which this server signs and without which it verifies nothing. JSON
 * leaves out what is undefined, so that what is signed here is the text of the RFC.
 */
const signWithoutTypAndKid = ({ key, payload }: (typeof EXAMPLES)[keyof typeof EXAMPLES]) =>
  signCompact({ ...key, kid: undefined as unknown as string }, undefined as unknown as string, payload);

/**
 * Signed with ES256, `typ` and `kid`: the credential of draft-ietf-oauth-sd-jwt-vc under the issuer's key that RFC 9901,
 * appendix A.5, publishes.
 */
const PUBLISHED = {
  typ: "vc+sd-jwt",
  kid: "doc-signer-05-25-2022",
  publicKey: createPublicKey({
    key: {
      kty: "EC",
      crv: "P-256",
      x: "b28d4MwZMjw8-00CG4xfnn9SLMVMM19SlqZpVb_uNtQ",
      y: "Xv5zWwuoaTgdS6hV43yI6gBwTnjukmFQQnJ_kCxzqk8",
    },
    format: "jwk",
  }),
  jws: "eyJhbGciOiAiRVMyNTYiLCAidHlwIjogInZjK3NkLWp3dCIsICJraWQiOiAiZG9jLXNpZ25lci0wNS0yNS0yMDIyIn0.eyJfc2QiOiBbIjA5dktySk1PbHlUV00wc2pwdV9wZE9CVkJRMk0xeTNLaHBINTE1blhrcFkiLCAiMnJzakdiYUMwa3k4bVQwcEpyUGlvV1RxMF9kYXcxc1g3NnBvVWxnQ3diSSIsICJFa084ZGhXMGRIRUpidlVIbEVfVkNldUM5dVJFTE9pZUxaaGg3WGJVVHRBIiwgIklsRHpJS2VpWmREd3BxcEs2WmZieXBoRnZ6NUZnbldhLXNONndxUVhDaXciLCAiSnpZakg0c3ZsaUgwUjNQeUVNZmVadTZKdDY5dTVxZWhabzdGN0VQWWxTRSIsICJQb3JGYnBLdVZ1Nnh5bUphZ3ZrRnNGWEFiUm9jMkpHbEFVQTJCQTRvN2NJIiwgIlRHZjRvTGJnd2Q1SlFhSHlLVlFaVTlVZEdFMHc1cnREc3JaemZVYW9tTG8iLCAiamRyVEU4WWNiWTRFaWZ1Z2loaUFlX0JQZWt4SlFaSUNlaVVRd1k5UXF4SSIsICJqc3U5eVZ1bHdRUWxoRmxNXzNKbHpNYVNGemdsaFFHMERwZmF5UXdMVUs0Il0sICJpc3MiOiAiaHR0cHM6Ly9leGFtcGxlLmNvbS9pc3N1ZXIiLCAiaWF0IjogMTY4MzAwMDAwMCwgImV4cCI6IDE4ODMwMDAwMDAsICJ2Y3QiOiAiaHR0cHM6Ly9jcmVkZW50aWFscy5leGFtcGxlLmNvbS9pZGVudGl0eV9jcmVkZW50aWFsIiwgIl9zZF9hbGciOiAic2hhLTI1NiIsICJjbmYiOiB7Imp3ayI6IHsia3R5IjogIkVDIiwgImNydiI6ICJQLTI1NiIsICJ4IjogIlRDQUVSMTladnUzT0hGNGo0VzR2ZlNWb0hJUDFJTGlsRGxzN3ZDZUdlbWMiLCAieSI6ICJaeGppV1diWk1RR0hWV0tWUTRoYlNJaXJzVmZ1ZWNDRTZ0NGpUOUYySFpRIn19fQ.sMpGS2JtqTtflUN-ToEm2VueqHhVCpUtOXk0SV5Tjj7FulFGae2fIaULLDjdKa46T-wtI9nKMoSNqe_38uwBhg",
};

describe("a JWS", () => {
  test.each(["RFC 7515 A.2", "RFC 8037 A.4"] as const)("is signed, to the last bit, as in %s", async (name) => {
    expect(await signWithoutTypAndKid(EXAMPLES[name])).toBe(EXAMPLES[name].jws);
  });

  test("of RFC 7515 A.3 has a signature of ours beside its own, since ES256 is not deterministic", async () => {
    const ours = await signWithoutTypAndKid(RFC_7515_A3);
    expect(ours.split(".").slice(0, 2)).toStrictEqual(RFC_7515_A3.jws.split(".").slice(0, 2));
    for (const jws of [ours, RFC_7515_A3.jws]) {
      const { payload } = await compactVerify(jws, RFC_7515_A3.key.publicKey);
      expect(Buffer.from(payload).toString()).toBe(RFC_7515_A3.payload);
    }
  });

  test("that a specification publishes with typ and kid is verified, with ES256", () => {
    const findKey = (kid: string) => ({ kid, alg: "ES256", publicKey: PUBLISHED.publicKey }) as const;
    const payload = verifyCompact((kid) => ({ [PUBLISHED.kid]: findKey(kid) })[kid], PUBLISHED.typ, PUBLISHED.jws);
    expect(JSON.parse(String(payload))).toMatchObject({ iss: "https://example.com/issuer", iat: 1683000000 });
  });

  test.each(NAMES)("signed by jose with the key of %s is verified, and ours by jose", async (name) => {
    const { key, payload } = EXAMPLES[name];
    const header = { alg: key.alg, typ: "at+jwt", kid: key.kid };
    const theirs = await new CompactSign(Buffer.from(payload)).setProtectedHeader(header).sign(key.privateKey);
    expect(verifyCompact(() => key, "at+jwt", theirs)?.toString()).toBe(payload);
    const ours = await compactVerify(await signCompact(key, "at+jwt", payload), key.publicKey);
    expect(ours.protectedHeader).toStrictEqual(header);
    expect(Buffer.from(ours.payload).toString()).toBe(payload);
  });

  test.each(NAMES)("without typ and kid, as in %s, is refused although its signature is good", async (name) => {
    const { key, jws } = EXAMPLES[name];
    expect((await compactVerify(jws, key.publicKey)).payload.length).toBeGreaterThan(0);
    expect(verifyCompact(() => key, "at+jwt", jws)).toBeUndefined();
  });
});

function flipBit(jws: string, part: 0 | 1 | 2, bit: number): string {
  const parts = jws.split(".").map((each) => Buffer.from(each, "base64url"));
  const bytes = parts[part] ?? Buffer.alloc(0);
  bytes.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
  return parts.map((each) => each.toString("base64url")).join(".");
}

const SIGNATURE_BITS = { ES256: 512, EdDSA: 512, RS256: 2048, PS256: 2048 };
const everyBit = (count: number) => Array.from({ length: count }, (_, bit) => bit);

const PAIRS: Record<SignatureAlgorithmName, () => SigningKey & VerifyingKey> = {
  ES256: () => ({ kid: "kid", alg: "ES256", ...generateKeyPairSync("ec", { namedCurve: "P-256" }) }),
  EdDSA: () => ({ kid: "kid", alg: "EdDSA", ...generateKeyPairSync("ed25519") }),
  RS256: () => ({ kid: "kid", alg: "RS256", ...generateKeyPairSync("rsa", { modulusLength: 2048 }) }),
  PS256: () => ({ kid: "kid", alg: "PS256", ...generateKeyPairSync("rsa", { modulusLength: 2048 }) }),
};

const ALGORITHMS = Object.keys(PAIRS) as SignatureAlgorithmName[];

/** The same algorithms, by themselves. */
const SIGN: Record<SignatureAlgorithmName, (key: KeyObject, data: Buffer) => Buffer> = {
  ES256: (key, data) => sign("sha256", data, { key, dsaEncoding: "ieee-p1363" }),
  EdDSA: (key, data) => sign(null, data, key),
  RS256: (key, data) => sign("sha256", data, key),
  PS256: (key, data) => sign("sha256", data, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }),
};

const encode = (value: unknown) =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

describe.each(ALGORITHMS)("a JWS of %s", (alg) => {
  const key = PAIRS[alg]();
  const signed = () => signCompact(key, "at+jwt", "the payload");
  const verify = (jws: string, by: VerifyingKey = key) => verifyCompact(() => by, "at+jwt", jws);

  test("is refused with any one bit of its signature, payload or header changed", async () => {
    const jws = await signed();
    expect(verify(jws)?.toString()).toBe("the payload");
    const header = text(jws.split(".")[0] ?? "");
    const altered = [
      ...everyBit(SIGNATURE_BITS[alg]).map((bit) => flipBit(jws, 2, bit)),
      ...everyBit("the payload".length * 8).map((bit) => flipBit(jws, 1, bit)),
      ...everyBit(header.length * 8).map((bit) => flipBit(jws, 0, bit)),
    ];
    expect(altered.filter((each) => verify(each) !== undefined)).toStrictEqual([]);
  });

  test("is refused when it is cut off anywhere", async () => {
    const jws = await signed();
    const truncated = everyBit(jws.length).map((length) => jws.slice(0, length));
    expect(truncated.filter((each) => verify(each) !== undefined)).toStrictEqual([]);
  });

  test("is refused with bytes after its signature", async () => {
    const [header, payload, signature = ""] = (await signed()).split(".");
    const longer = Buffer.concat([Buffer.from(signature, "base64url"), Buffer.alloc(1)]).toString("base64url");
    expect(verify(`${header}.${payload}.${longer}`)).toBeUndefined();
    expect(verify(`${header}.${payload}.${signature}.`)).toBeUndefined();
  });

  test("is refused under another key, or a key of another algorithm", async () => {
    const jws = await signed();
    const others = Object.values(PAIRS).map((another) => another());
    expect(others.filter((other) => verify(jws, other) !== undefined)).toStrictEqual([]);
  });

  test("is refused when its header names another algorithm than its key", () => {
    const jwsNaming = (name: string) => {
      const input = [{ alg: name, typ: "at+jwt", kid: "kid" }, "the payload"].map(encode).join(".");
      return `${input}.${SIGN[alg](key.privateKey, Buffer.from(input)).toString("base64url")}`;
    };
    expect(verify(jwsNaming(alg))?.toString()).toBe("the payload");
    const others = [...ALGORITHMS, "none", "HS256", alg.toLowerCase(), ""].filter((name) => name !== alg);
    expect(others.filter((name) => verify(jwsNaming(name)) !== undefined)).toStrictEqual([]);
  });

  test("is refused with another typ", async () => {
    expect(verifyCompact(() => key, "JWT", await signed())).toBeUndefined();
  });
});

describe("an ES256 signature", () => {
  test("in DER, as OpenSSL writes it by default, is refused", async () => {
    const { key } = RFC_7515_A3;
    const [header, payload, signature = ""] = (await signCompact(key, "at+jwt", "the payload")).split(".");
    const raw = Buffer.from(signature, "base64url");
    const integer = (bytes: Buffer) => {
      const value = Buffer.concat([Buffer.alloc(bytes.readUInt8(0) >> 7), bytes]);
      return Buffer.concat([Buffer.from([2, value.length]), value]);
    };
    const content = Buffer.concat([integer(raw.subarray(0, 32)), integer(raw.subarray(32))]);
    const der = Buffer.concat([Buffer.from([0x30, content.length]), content]).toString("base64url");
    expect(verifyCompact(() => key, "at+jwt", `${header}.${payload}.${der}`)).toBeUndefined();
  });

  test("of zeros is refused", () => {
    const header = encode({ alg: "ES256", typ: "at+jwt", kid: "kid" });
    const zeros = Buffer.alloc(64).toString("base64url");
    expect(verifyCompact(() => RFC_7515_A3.key, "at+jwt", `${header}.${PAYLOAD}.${zeros}`)).toBeUndefined();
  });
});

describe("an RSA key", () => {
  test.each([
    ["RS256", "PS256"],
    ["PS256", "RS256"],
  ] as const)("for %s verifies no signature of %s", (own, other) => {
    const key = PAIRS[own]();
    const input = [{ alg: own, typ: "at+jwt", kid: "kid" }, "the payload"].map(encode).join(".");
    const jwsBy = (alg: SignatureAlgorithmName) =>
      `${input}.${SIGN[alg](key.privateKey, Buffer.from(input)).toString("base64url")}`;
    expect(verifyCompact(() => key, "at+jwt", jwsBy(own))?.toString()).toBe("the payload");
    expect(verifyCompact(() => key, "at+jwt", jwsBy(other))).toBeUndefined();
  });

  test("for PS256 verifies no signature with a salt of another length than the hash", () => {
    const key = PAIRS.PS256();
    const input = [{ alg: "PS256", typ: "at+jwt", kid: "kid" }, "the payload"].map(encode).join(".");
    const options = { key: key.privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 20 };
    const signature = sign("sha256", Buffer.from(input), options).toString("base64url");
    expect(verifyCompact(() => key, "at+jwt", `${input}.${signature}`)).toBeUndefined();
  });
});
