import { describe, expect, test } from "vitest";
import { utf8 } from "../src/bytes.ts";
import { channelKeys } from "../src/channel-keys.ts";
import { hkdfSha256 } from "../src/hkdf.ts";
import { handshakeProofPayload } from "../src/index.ts";
import {
  agreementsOf,
  expectedMessages,
  messageOutcome,
  openChannelCase,
  proofOutcome,
  proofsOf,
  sessionAnswerOutcome,
  shareOutcome,
} from "./support/channel-outcomes.ts";
import { channelFile, forwardSecretCases, negativeChannel } from "./support/channel-vectors.ts";
import { nodeChannel } from "./support/node-key.ts";
import { bytes, expectedOutcome } from "./support/outcomes.ts";

const { cases, sig_jwks } = channelFile;
const platforms = [
  { on: "WebCrypto", primitives: undefined },
  { on: "node:crypto", primitives: nodeChannel },
];

describe.each(platforms)("the channel vectors, with keys on $on", ({ primitives }) => {
  test.each(cases)("open: $name, the first message and the last, and their answers", async (sample) => {
    expect(await openChannelCase(sample, primitives)).toEqual(expectedMessages(sample));
  });

  test.each(negativeChannel.messages)("answer $expect to a message: $name", async (row) => {
    expect(await messageOutcome(negativeChannel, row, primitives)).toEqual(expectedOutcome(row));
  });

  test.each(negativeChannel.answers)("say $expect of an answer: $name", async (row) => {
    expect(await sessionAnswerOutcome(negativeChannel, row, primitives)).toEqual(expectedOutcome(row));
  });
});

describe("the handshake vectors", () => {
  test.each(cases)("derive a key for each direction: $name", async ({ root, sid, c2s_key, s2c_key }) => {
    const derive = (info: string) => hkdfSha256(bytes(root), { salt: utf8(sid), info: utf8(info), length: 32 });
    expect(await derive("sello/1 c2s")).toEqual(bytes(c2s_key));
    expect(await derive("sello/1 s2c")).toEqual(bytes(s2c_key));
  });

  test.each(cases)("have a key in each direction that seals as written: $name", async ({ root, sid, messages }) => {
    const { c2s, s2c } = await channelKeys({ sid, root: bytes(root) });
    const sealed = await Promise.all(
      messages.flatMap(({ answer, ...message }) => [
        c2s.seal(utf8(message.plaintext), { iv: bytes(message.envelope.iv), additionalData: utf8(message.aad) }),
        s2c.seal(utf8(answer.plaintext), { iv: bytes(answer.envelope.iv), additionalData: utf8(answer.aad) }),
      ]),
    );
    const expected = messages.flatMap(({ answer, envelope }) => [bytes(envelope.ct), bytes(answer.envelope.ct)]);
    expect(sealed).toEqual(expected);
  });

  test("take the content key as the root in the plain form", () => {
    const [plain] = cases;
    expect(plain.root).toBe(plain.content_key);
  });

  test.each(forwardSecretCases)("agree on the root from both sides: $name", async (sample) => {
    const { shared_secret, root } = sample;
    expect(await agreementsOf(sample)).toEqual([
      { shared_secret, root },
      { shared_secret, root },
    ]);
  });

  test.each(forwardSecretCases)(
    "give the text to sign: $name",
    ({ sid, binding, points, expires_in, proof_payload }) => {
      const { client, server } = points;
      const statement = {
        sid,
        binding,
        clientPoint: bytes(client),
        serverPoint: bytes(server),
        expiresInS: expires_in,
      };
      expect(handshakeProofPayload(statement)).toBe(proof_payload);
    },
  );

  test.each(forwardSecretCases)("have a proof of each algorithm that verifies: $name", async (sample) => {
    expect(await proofsOf(sample, sig_jwks)).toEqual(
      ["ES256", "RS256", "PS256", "EdDSA"].map((alg) => ({ alg, code: "ok" })),
    );
  });

  test.each(negativeChannel.proofs)("answer $expect to a proof: $name", async (row) => {
    expect(await proofOutcome(negativeChannel, row)).toEqual(expectedOutcome(row));
  });

  test.each(negativeChannel.key_shares)("answer $expect to a key share: $name", async (row) => {
    expect(await shareOutcome(row)).toEqual(expectedOutcome(row));
  });

  test.each(["messages", "answers", "proofs", "key_shares"] as const)("have no two %s alike", (table) => {
    const rows = negativeChannel[table].map(({ name, expect: _, plaintext: __, ...row }) => [
      JSON.stringify(row),
      name,
    ]);
    const alike = rows.filter(([row], i) => rows.findIndex(([other]) => other === row) !== i).map(([, name]) => name);
    expect(alike).toEqual([]);
  });
});
