import { describe, expect, test } from "vitest";
import { clientChannel } from "../src/client-channel.ts";
import {
  channelAnswerKey,
  maxMessages,
  openChannel,
  parseSessionEnvelope,
  type SessionEnvelope,
  sealChannelAnswer,
} from "../src/index.ts";
import { connect, sid } from "./support/handshake.ts";
import { nodeChannel } from "./support/node-key.ts";

const binding = "/auth/login";
const invalid = { name: "EnvelopeError", code: "envelope_invalid" };
const { client, server, root } = await connect();

describe("a message", () => {
  test("is numbered from 1, each once, also when many are sealed at once", async () => {
    const { client: fresh } = await connect();
    const sealed = await Promise.all(Array.from({ length: 50 }, () => fresh.seal("{}", binding)));
    expect(sealed.map(({ envelope }) => envelope.n)).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
    expect(fresh.remaining).toBe(maxMessages - 50);
  });

  test("has exactly sid, n, iv and ct", async () => {
    const { envelope } = await client.seal("{}", binding);
    expect(envelope).toEqual({
      sid,
      n: expect.any(Number),
      iv: expect.stringMatching(/^[\w-]{16}$/),
      ct: expect.stringMatching(/^[\w-]{24}$/),
    });
  });

  test("opens in any order", async () => {
    const sealed = await Promise.all(["one", "two", "three"].map((message) => client.seal(message, binding)));
    const opened = await Promise.all(sealed.reverse().map(({ envelope }) => open(envelope)));
    expect(opened.map(({ plaintext }) => text(plaintext))).toEqual(["three", "two", "one"]);
    expect(opened.map(({ n }) => n)).toEqual(sealed.map(({ envelope }) => envelope.n));
  });

  test("carries bytes as they are, a mebibyte of them, both ways", async () => {
    const plaintext = new Uint8Array(1 << 20).map((_, i) => i * 7);
    const { envelope, openAnswer } = await client.seal(plaintext, binding);
    const opened = await open(envelope);
    expect(Buffer.compare(opened.plaintext, plaintext)).toBe(0);
    expect(Buffer.compare(await openAnswer(await opened.sealAnswer(plaintext)), plaintext)).toBe(0);
  });

  test("is not changed by a plaintext that changes while it is sealed", async () => {
    const plaintext = new TextEncoder().encode("before");
    const sealing = client.seal(plaintext, binding);
    plaintext.fill(0);
    expect(text((await open((await sealing).envelope)).plaintext)).toBe("before");
  });

  test("is refused at another call", async () => {
    const { envelope } = await client.seal("{}", binding);
    await expect(open(envelope, "/auth/register")).rejects.toMatchObject(invalid);
    await expect(open(envelope, `${binding}|`)).rejects.toMatchObject(invalid);
  });

  test("is refused under another number", async () => {
    const { envelope } = await client.seal("{}", binding);
    await expect(open({ ...envelope, n: envelope.n + 1 })).rejects.toMatchObject(invalid);
  });

  test("is refused in another channel, whether it keeps its sid or takes the other's", async () => {
    const { envelope } = await client.seal("{}", binding);
    const otherSid = "AAAAAAAAAAAAAAAAAAAAAA";
    const other = await openChannel({ sid: otherSid, root });
    await expect(other.open(parseSessionEnvelope(envelope), binding)).rejects.toMatchObject(invalid);
    const renamed = parseSessionEnvelope({ ...envelope, sid: otherSid });
    await expect(other.open(renamed, binding)).rejects.toMatchObject(invalid);
    const { server: stranger } = await connect();
    await expect(stranger.open(parseSessionEnvelope(envelope), binding)).rejects.toMatchObject(invalid);
  });

  test("is answered later too, by whoever has the key and knows its number and its call", async () => {
    const { envelope, openAnswer } = await client.seal("{}", binding);
    const about = { answerKey: await channelAnswerKey({ sid, root }), sid, n: envelope.n, binding };
    expect(new TextDecoder().decode(await openAnswer(await sealChannelAnswer(about, '{"b":2}')))).toBe('{"b":2}');
    for (const wrong of [{ n: envelope.n + 1 }, { binding: "/x" }, { answerKey: new Uint8Array(32) }]) {
      const answer = await sealChannelAnswer({ ...about, ...wrong }, "{}");
      await expect(openAnswer(answer)).rejects.toMatchObject(invalid);
    }
    await expect(sealChannelAnswer({ ...about, answerKey: new Uint8Array(16) }, "{}")).rejects.toThrow(RangeError);
  });

  test("is refused in the other direction: neither a message as an answer nor an answer as a message", async () => {
    const { envelope, openAnswer } = await client.seal("{}", binding);
    await expect(openAnswer(envelope)).rejects.toMatchObject(invalid);
    const answer = await (await open(envelope)).sealAnswer("{}");
    await expect(open(answer)).rejects.toMatchObject(invalid);
  });

  test("is refused with a bit of any byte flipped", async () => {
    const { envelope } = await client.seal("{}", binding);
    const outcomes = await Promise.allSettled(mutants(envelope).map((mutant) => open(mutant)));
    expect(outcomes).toEqual(outcomes.map(() => ({ status: "rejected", reason: expect.objectContaining(invalid) })));
  });

  test("is refused with errors that nothing tells apart", async () => {
    const { envelope } = await client.seal("{}", binding);
    const refusals = await Promise.all(
      [
        { ...envelope, ct: "A".repeat(32) },
        { ...envelope, n: 9 },
        { ...envelope, sid: "A".repeat(22) },
      ].map((mutant) =>
        open(mutant).catch((error) => JSON.stringify({ ...error, message: error.message, cause: error.cause })),
      ),
    );
    expect(new Set(refusals).size).toBe(1);
  });
});

describe("an answer", () => {
  test("has its message's sid and n, and a fresh IV each time", async () => {
    const { envelope } = await client.seal("{}", binding);
    const { sealAnswer } = await open(envelope);
    const answers = await Promise.all(Array.from({ length: 50 }, () => sealAnswer("{}")));
    expect(new Set(answers.map(({ iv }) => iv)).size).toBe(50);
    expect(answers).toEqual(answers.map(() => expect.objectContaining({ sid: envelope.sid, n: envelope.n })));
  });

  test("is refused as the answer to another message, renumbered or not", async () => {
    const [one, other] = await Promise.all([client.seal("{}", binding), client.seal("{}", binding)]);
    const answer = await (await open(one.envelope)).sealAnswer("{}");
    await expect(other.openAnswer(answer)).rejects.toMatchObject(invalid);
    await expect(other.openAnswer({ ...answer, n: other.envelope.n })).rejects.toMatchObject(invalid);
  });

  test("is refused with a bit of any byte flipped", async () => {
    const { envelope, openAnswer } = await client.seal("{}", binding);
    const answer = await (await open(envelope)).sealAnswer("{}");
    const outcomes = await Promise.allSettled(mutants(answer).map((mutant) => openAnswer(mutant)));
    expect(outcomes).toEqual(outcomes.map(() => ({ status: "rejected", reason: expect.objectContaining(invalid) })));
  });
});

describe("a channel", () => {
  test("seals its last message with n 2^20, and then refuses to seal", async () => {
    const last = await clientChannel({ sid, root: new Uint8Array(root), sent: maxMessages - 1 });
    expect(last.remaining).toBe(1);
    const { envelope } = await last.seal("{}", binding);
    expect(envelope.n).toBe(1_048_576);
    expect((await open(envelope)).n).toBe(1_048_576);
    expect(last.remaining).toBe(0);
    await expect(last.seal("{}", binding)).rejects.toThrow(RangeError);
  });

  test("gives out neither its keys nor its root, at either end", () => {
    expect(JSON.parse(JSON.stringify(client))).toEqual({ sid, remaining: client.remaining });
    expect(JSON.parse(JSON.stringify(server))).toEqual({ sid });
  });

  test("leaves the caller's root as it was, and needs it no longer", async () => {
    const copy = new Uint8Array(root);
    const opened = await openChannel({ sid, root: copy });
    expect(copy).toEqual(new Uint8Array(root));
    copy.fill(0);
    const { envelope } = await client.seal("{}", binding);
    expect(text((await opened.open(parseSessionEnvelope(envelope), binding)).plaintext)).toBe("{}");
  });

  test("opens on node:crypto what was sealed on WebCrypto, and the other way round", async () => {
    const onNode = await openChannel({ sid, root, primitives: nodeChannel });
    const { envelope, openAnswer } = await client.seal('{"a":1}', binding);
    const opened = await onNode.open(parseSessionEnvelope(envelope), binding);
    expect(text(opened.plaintext)).toBe('{"a":1}');
    expect(text(await openAnswer(await opened.sealAnswer('{"b":2}')))).toBe('{"b":2}');
  });

  test("hides what goes wrong inside a port behind the one code", async () => {
    const broken = { ...nodeChannel, importKey: () => ({ seal: fail, open: fail }) };
    const channel = await openChannel({ sid, root, primitives: broken });
    const { envelope } = await client.seal("{}", binding);
    await expect(channel.open(parseSessionEnvelope(envelope), binding)).rejects.toMatchObject(invalid);
  });

  test.each([0, 16, 31, 33, 64])("refuses a root of %i bytes", async (length) => {
    await expect(openChannel({ sid, root: new Uint8Array(length) })).rejects.toThrow(RangeError);
  });

  test.each(["", "AAAA", `${sid}==`, `${sid.slice(0, -1)}x`])("refuses the sid %j", async (odd) => {
    await expect(openChannel({ sid: odd, root })).rejects.toMatchObject(invalid);
  });
});

async function open(envelope: SessionEnvelope, at = binding) {
  return await server.open(parseSessionEnvelope(envelope), at);
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function fail(): never {
  throw new Error("the hardware is gone");
}

/** The envelope with one bit of its iv or ct flipped, for each byte in turn. */
function mutants(envelope: SessionEnvelope): SessionEnvelope[] {
  return (["iv", "ct"] as const).flatMap((name) => {
    const bytes = Buffer.from(envelope[name], "base64url");
    return Array.from(bytes, (byte, index) => {
      const copy = Buffer.from(bytes);
      copy[index] = byte ^ (1 << (index & 7));
      return { ...envelope, [name]: copy.toString("base64url") };
    });
  });
}
