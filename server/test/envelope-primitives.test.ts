import { importOpener, importRecipient, openRequest, sealRequest } from "@sello/envelope";
import { beforeAll, describe, expect, test } from "vitest";
import {
  expectedOpening,
  expectedOutcome,
  openCase,
  openersOf,
  requestOutcome,
} from "../../envelope/test/support/outcomes.ts";
import { negatives, positiveCases } from "../../envelope/test/support/vectors.ts";
import { nodePrimitives } from "../src/crypto/envelope-primitives.ts";

const hex = (text: string) => new Uint8Array(Buffer.from(text, "hex"));

describe("the server's envelopes, on node:crypto", () => {
  test.each(positiveCases)("open $title, with the content key of every other implementation", async (sample) => {
    expect(await openCase(sample.private_jwk, sample, nodePrimitives)).toEqual(expectedOpening(sample));
    const opener = await importOpener(sample.private_jwk, nodePrimitives);
    const key = Buffer.from(await opener.recoverContentKey(sample.envelope)).toString("base64url");
    expect(key).toBe(sample.content_key);
  });

  let openers: Awaited<ReturnType<typeof openersOf>>;
  beforeAll(async () => {
    openers = await openersOf(negatives, nodePrimitives);
  });

  test.each(negatives.requests)("answer $expect to: $name", async (row) => {
    expect(await requestOutcome(openers, row, nodePrimitives)).toEqual(expectedOutcome(row));
  });

  test.each(positiveCases)("answer $title so that a browser's WebCrypto opens it", async ({ private_jwk }) => {
    const [recipient, opener] = await Promise.all([
      importRecipient(private_jwk),
      importOpener(private_jwk, nodePrimitives),
    ]);
    const about = { binding: "/auth/login", now: 1_800_000_000 };
    const { envelope, openAnswer } = await sealRequest(recipient, "{}", about);
    const options = { ...about, aadRequired: true, primitives: nodePrimitives };
    const { sealAnswer } = await openRequest(() => opener, envelope, options);
    expect(Buffer.from(await openAnswer(await sealAnswer('{"a":1}'))).toString()).toBe('{"a":1}');
  });
});

test("HKDF gives RFC 5869's first answer, as far as one round goes, and no more than one", () => {
  const input = { salt: hex("000102030405060708090a0b0c"), info: hex("f0f1f2f3f4f5f6f7f8f9") };
  const secret = hex("0b".repeat(22));
  expect(nodePrimitives.hkdfSha256(secret, { ...input, length: 32 })).toEqual(
    hex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"),
  );
  expect(() => nodePrimitives.hkdfSha256(secret, { ...input, length: 42 })).toThrow(RangeError);
});

test("HMAC gives RFC 4231's second answer", () => {
  const text = (words: string) => new Uint8Array(Buffer.from(words));
  expect(nodePrimitives.hmacSha256(text("Jefe"), text("what do ya want for nothing?"))).toEqual(
    hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
  );
});

describe("a key", () => {
  const raw = hex("11".repeat(32));
  const key = nodePrimitives.importKey(raw);
  const input = { iv: hex("00".repeat(12)), additionalData: hex("44") };

  test("does not depend on the bytes that it was made of", async () => {
    const copy = raw.slice();
    const own = await nodePrimitives.importKey(copy);
    copy.fill(0);
    const sealed = new Uint8Array(await own.seal(hex("c0ffee"), input));
    expect(Buffer.from(await (await key).open(sealed, input)).toString("hex")).toBe("c0ffee");
  });

  test("opens what it sealed, and nothing that was changed or cut", async () => {
    const { seal, open } = await key;
    const sealed = new Uint8Array(await seal(hex("c0ffee"), input));
    expect(Buffer.from(await open(sealed, input)).toString("hex")).toBe("c0ffee");
    for (let i = 0; i < sealed.length; i++) {
      const flipped = sealed.map((byte, at) => (at === i ? byte ^ 1 : byte));
      expect(() => open(flipped, input)).toThrow();
    }
    for (let length = 0; length < sealed.length; length++) expect(() => open(sealed.slice(0, length), input)).toThrow();
    expect(() => open(sealed, { ...input, additionalData: hex("45") })).toThrow();
  });
});
