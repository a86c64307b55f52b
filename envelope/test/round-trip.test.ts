import { describe, expect, test } from "vitest";
import {
  EnvelopeError,
  type FrontAnswer,
  importOpener,
  importRecipient,
  openRequest,
  type SealOptions,
  sealAnswerTo,
  sealRequest,
} from "../src/index.ts";
import { positiveNames, positives } from "./support/vectors.ts";

const binding = "/auth/login";
const now = 1_800_000_000;
const invalid = expect.objectContaining({ name: "EnvelopeError", code: "envelope_invalid" });

const pairs = await Promise.all(
  positives.map(async ({ public_jwk, private_jwk }, i) => ({
    name: positiveNames[i],
    recipient: await importRecipient(public_jwk),
    opener: await importOpener(private_jwk),
  })),
);

describe.each(pairs)("with $name", ({ recipient, opener }) => {
  const seal = (plaintext: Uint8Array | string, change: Partial<SealOptions> = {}) =>
    sealRequest(recipient, plaintext, { binding, now, ...change });
  const open = (envelope: unknown, change = {}) =>
    openRequest(() => opener, envelope, { binding, now, aadRequired: true, ...change });

  test("opens what was sealed, and the answer to it", async () => {
    const { envelope, openAnswer } = await seal('{"a":"ñ"}');
    const opened = await open(JSON.parse(JSON.stringify(envelope)));
    expect(text(opened.plaintext)).toBe('{"a":"ñ"}');
    expect(opened.issuedAt).toBe(now);
    expect(text(await openAnswer(await opened.sealAnswer('{"b":1}')))).toBe('{"b":1}');
  });

  test("opens an answer that was sealed later, from what the opened request said of itself", async () => {
    const { envelope, openAnswer } = await seal("{}");
    const { contentKey, jti } = await open(envelope);
    expect(text(await openAnswer(await sealAnswerTo({ contentKey, binding, jti }, '{"b":2}')))).toBe('{"b":2}');
    const moved = await sealAnswerTo({ contentKey, binding: "/auth/logout", jti }, "{}");
    await expect(openAnswer(moved)).rejects.toThrow(invalid);
  });

  test("carries bytes as they are, a mebibyte of them", async () => {
    const plaintext = new Uint8Array(1 << 20).map((_, i) => i * 7);
    const { envelope, openAnswer } = await seal(plaintext);
    const opened = await open(envelope);
    expect(Buffer.compare(opened.plaintext, plaintext)).toBe(0);
    expect(Buffer.compare(await openAnswer(await opened.sealAnswer(plaintext)), plaintext)).toBe(0);
  });

  test("makes nothing twice: key, IV, jti and replay id are fresh each time", async () => {
    const sealed = await Promise.all(Array.from({ length: 20 }, () => seal("{}")));
    const opened = await Promise.all(sealed.map(({ envelope }) => open(envelope)));
    const values = [
      ...sealed.flatMap(({ envelope }) => [envelope.cek ?? envelope.epk?.x, envelope.iv, envelope.ct, envelope.aad]),
      ...opened.map(({ replayId }) => replayId),
    ];
    expect(new Set(values).size).toBe(100);
  });

  test("gives the same replay id each time the same envelope is opened", async () => {
    const { envelope } = await seal("{}");
    const [first, second] = await Promise.all([open(envelope), open(envelope)]);
    expect(first.replayId).toMatch(/^[A-Za-z0-9_-]{22}$/);
    expect(first.replayId).toBe(second.replayId);
  });

  test("gives another replay id to the same jti under another content key, so a seen jti cannot be burnt", async () => {
    const jti = "AAAAAAAAAAAAAAAAAAAAAA";
    const [mine, theirs] = await Promise.all([seal("{}", { jti }), seal("{}", { jti })]);
    expect((await open(mine.envelope)).replayId).not.toBe((await open(theirs.envelope)).replayId);
  });

  test("refuses an envelope that was moved to another route", async () => {
    const { envelope } = await seal("{}");
    await expect(open(envelope, { binding: "/auth/register" })).rejects.toEqual(invalid);
  });

  test("refuses an envelope with a bit of any byte of ct, iv or aad flipped", async () => {
    const { envelope } = await seal("{}");
    const mutants = (["ct", "iv", "aad"] as const).flatMap((name) =>
      flips(envelope[name] ?? "").map((value) => ({ ...envelope, [name]: value })),
    );
    const outcomes = await Promise.allSettled(mutants.map((mutant) => open(mutant)));
    expect(outcomes.filter((outcome) => outcome.status === "fulfilled" || !isInvalid(outcome.reason))).toEqual([]);
  });

  test("opens an envelope without additional data only where it is optional, and names no replay id for it", async () => {
    const { envelope, openAnswer } = await seal("{}", { withAad: false });
    expect(envelope.aad).toBeUndefined();
    await expect(open(envelope)).rejects.toEqual(invalid);
    const opened = await open(envelope, { aadRequired: false });
    expect(opened).toMatchObject({ replayId: undefined, issuedAt: undefined });
    expect(text(await openAnswer(await opened.sealAnswer("{}")))).toBe("{}");
  });

  test("takes the skew it is told", async () => {
    const { envelope } = await seal("{}");
    await expect(open(envelope, { now: now + 5, maxSkewS: 4 })).rejects.toMatchObject({ code: "envelope_expired" });
    await expect(open(envelope, { now: now + 600, maxSkewS: 600 })).resolves.toMatchObject({ issuedAt: now });
  });

  test("cuts a fraction off the time", async () => {
    const { envelope } = await seal("{}", { now: now + 0.9 });
    expect((await open(envelope)).issuedAt).toBe(now);
  });

  test("refuses the answer to another request, also to the same route", async () => {
    const [one, other] = await Promise.all([seal("{}"), seal("{}")]);
    const answer = await (await open(one.envelope)).sealAnswer("{}");
    await expect(other.openAnswer(answer)).rejects.toEqual(invalid);
  });

  test("refuses its own request sent back as the answer", async () => {
    const { envelope, openAnswer } = await seal("{}");
    await expect(openAnswer(envelope as FrontAnswer)).rejects.toEqual(invalid);
  });

  test("refuses an answer with a bit of any byte flipped", async () => {
    const { envelope, openAnswer } = await seal("{}");
    const answer = await (await open(envelope)).sealAnswer("{}");
    const mutants = (["ct", "iv", "aad"] as const).flatMap((name) =>
      flips(answer[name]).map((value) => ({ ...answer, [name]: value })),
    );
    const outcomes = await Promise.allSettled(mutants.map(openAnswer));
    expect(outcomes.filter((outcome) => outcome.status === "fulfilled" || !isInvalid(outcome.reason))).toEqual([]);
  });
});

describe("an error", () => {
  test("tells a failed unwrapping, a wrong key length and a failed tag apart by nothing", async () => {
    const [rsa] = pairs;
    const { envelope } = await sealRequest(at(rsa).recipient, "{}", { binding, now });
    const mutants = [
      { ...envelope, cek: "A".repeat(342) },
      { ...envelope, ct: "A".repeat(32) },
      { ...envelope, iv: "AAAAAAAAAAAAAAAA" },
    ];
    const errors = await Promise.all(
      mutants.map((mutant) =>
        openRequest(() => at(rsa).opener, mutant, { binding, now, aadRequired: true }).catch((error) => error),
      ),
    );
    const shown = errors.map((error) => ({
      ...error,
      message: error.message,
      cause: error.cause,
      own: Object.getOwnPropertyNames(error),
    }));
    expect(new Set(shown.map((view) => JSON.stringify(view))).size).toBe(1);
    expect(errors[0]).toBeInstanceOf(EnvelopeError);
  });

  test("of the caller's key lookup is the caller's", async () => {
    const { envelope } = await sealRequest(at(pairs[0]).recipient, "{}", { binding, now });
    const broken = () => {
      throw new Error("the key store is down");
    };
    await expect(openRequest(broken, envelope, { binding, now, aadRequired: true })).rejects.toThrow("store is down");
  });
});

describe("sealing", () => {
  test.each([
    ["of 15 bytes", "AAAAAAAAAAAAAAAAAAAA"],
    ["with padding", "AAAAAAAAAAAAAAAAAAAAAA=="],
    ["that is empty", ""],
  ])("refuses a jti %s", async (_, jti) => {
    const { recipient } = at(pairs[0]);
    await expect(sealRequest(recipient, "{}", { binding, now, jti })).rejects.toThrow(RangeError);
  });

  test("refuses a binding that makes the additional data longer than a server accepts", async () => {
    const { recipient } = at(pairs[0]);
    await expect(sealRequest(recipient, "{}", { binding: "/".repeat(1024), now })).rejects.toThrow(RangeError);
  });

  test("is not changed by a plaintext that changes while it works", async () => {
    const { recipient, opener } = at(pairs[0]);
    const plaintext = new TextEncoder().encode("before");
    const sealing = sealRequest(recipient, plaintext, { binding, now });
    plaintext.fill(0);
    const { envelope } = await sealing;
    const opened = await openRequest(() => opener, envelope, { binding, now, aadRequired: true });
    expect(text(opened.plaintext)).toBe("before");
  });
});

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function at<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("missing");
  return value;
}

function isInvalid(reason: unknown): boolean {
  return reason instanceof EnvelopeError && reason.code === "envelope_invalid";
}

/** The value with one bit flipped, for each of its bytes in turn, each of the eight bits having its turn too. */
function flips(encoded: string): string[] {
  const bytes = Buffer.from(encoded, "base64url");
  return Array.from(bytes, (byte, index) => {
    const copy = Buffer.from(bytes);
    copy[index] = byte ^ (1 << (index & 7));
    return copy.toString("base64url");
  });
}
