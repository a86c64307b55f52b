import { existsSync } from "node:fs";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { importOpener, openChannel, openRequest, parseSessionEnvelope } from "../src/index.ts";
import { agreementsOf, expectedMessages, proofsOf } from "./support/channel-outcomes.ts";
import { channelFile, forwardSecretCases, negativeChannel } from "./support/channel-vectors.ts";
import { answerHandshake, now as handshakeNow, sid, sigKeys } from "./support/handshake.ts";
import { chromiumPath, openPage } from "./support/open-page.ts";
import { expectedOpening, expectedOutcome } from "./support/outcomes.ts";
import { isRequired } from "./support/requirements.ts";
import { negatives, positiveCases, positiveNames, positives } from "./support/vectors.ts";

const binding = "/auth/login";
const keys = positives.map((file, i) => ({ ...file, name: positiveNames[i] }));

describe.skipIf(!existsSync(chromiumPath) && !isRequired("chromium"))("in Chromium", () => {
  let page: Page;
  let close: () => Promise<void>;

  beforeAll(async () => {
    ({ page, close } = await openPage());
  }, 60_000);
  afterAll(async () => {
    await close?.();
  });

  test.each(positiveCases)("opens $title, and the answer to it", async (sample) => {
    const opened = await page.evaluate((inner) => sello.openCase(inner.private_jwk, inner), sample);
    expect(opened).toEqual(expectedOpening(sample));
  });

  test("gives every negative vector its code", async () => {
    const outcomes = await page.evaluate(async (table) => {
      const openers = await sello.openersOf(table);
      return await Promise.all([
        ...table.requests.map((row) => sello.requestOutcome(openers, row)),
        ...table.answers.map((row) => sello.answerOutcome(row)),
      ]);
    }, negatives);
    const rows = [...negatives.requests, ...negatives.answers];
    const named = outcomes.map((outcome, i) => ({ name: rows[i]?.name, ...outcome }));
    expect(named).toEqual(rows.map((row) => ({ name: row.name, ...expectedOutcome(row) })));
  });

  test.each(keys)(
    "seals with $name what Node opens, and opens what Node answers",
    async ({ public_jwk, private_jwk, now }) => {
      const client = await page.evaluateHandle(
        async (options) =>
          await sello.sealRequest(await sello.importRecipient(options.public_jwk), '{"from":"the browser"}', options),
        { public_jwk, binding, now },
      );
      const opener = await importOpener(private_jwk);
      const envelope = await client.evaluate((sealed) => sealed.envelope);
      const opened = await openRequest(() => opener, envelope, { binding, now, aadRequired: true });
      expect(new TextDecoder().decode(opened.plaintext)).toBe('{"from":"the browser"}');
      const answer = await opened.sealAnswer('{"from":"the server"}');
      const read = await client.evaluate(
        async (sealed, sent) => new TextDecoder().decode(await sealed.openAnswer(sent)),
        answer,
      );
      expect(read).toBe('{"from":"the server"}');
    },
  );

  test.each(channelFile.cases)("opens the messages and the answers of a channel: $name", async (sample) => {
    expect(await page.evaluate((inner) => sello.openChannelCase(inner), sample)).toEqual(expectedMessages(sample));
  });

  test.each(forwardSecretCases)("agrees on the root, and verifies every proof: $name", async (sample) => {
    const [roots, proofs] = await page.evaluate(
      async ({ inner, keys }) => [await sello.agreementsOf(inner), await sello.proofsOf(inner, keys)] as const,
      { inner: sample, keys: sigKeys },
    );
    expect(roots).toEqual(await agreementsOf(sample));
    expect(proofs).toEqual(await proofsOf(sample, sigKeys));
  });

  test("gives every negative vector of a channel its code", async () => {
    const outcomes = await page.evaluate(
      async (table) =>
        await Promise.all([
          ...table.messages.map((row) => sello.messageOutcome(table, row)),
          ...table.answers.map((row) => sello.sessionAnswerOutcome(table, row)),
          ...table.proofs.map((row) => sello.proofOutcome(table, row)),
          ...table.key_shares.map((row) => sello.shareOutcome(row)),
        ]),
      negativeChannel,
    );
    const { messages, answers, proofs, key_shares } = negativeChannel;
    const rows = [...messages, ...answers, ...proofs, ...key_shares];
    const named = outcomes.map((outcome, i) => ({ name: rows[i]?.name, ...outcome }));
    expect(named).toEqual(rows.map((row) => ({ name: row.name, ...expectedOutcome(row) })));
  });

  test.each([
    { form: "plain" },
    { form: "forward-secret on P-256", keyShare: "P-256" as const },
    { form: "forward-secret on X25519", keyShare: "X25519" as const },
  ])("opens a channel to Node and talks through it, $form", async ({ form: _, ...options }) => {
    const front = positives.at(-1)?.public_jwk ?? {};
    const handshake = await page.evaluateHandle(
      async ({ jwk, ...rest }) => await sello.sealHandshake(await sello.importRecipient(jwk), rest),
      { jwk: front, binding: "/auth/handshake", now: handshakeNow, ...options },
    );
    const { answer, root } = await answerHandshake(await handshake.evaluate(({ envelope }) => envelope));
    const message = await handshake.evaluateHandle(
      async ({ openAnswer }, { sent, keys, at }) => {
        const { channel } = await openAnswer(sent, { sigKeys: keys });
        return await channel.seal('{"from":"the browser"}', at);
      },
      { sent: answer, keys: sigKeys, at: binding },
    );
    const server = await openChannel({ sid, root });
    const envelope = await message.evaluate((sealed) => sealed.envelope);
    const opened = await server.open(parseSessionEnvelope(envelope), binding);
    expect(new TextDecoder().decode(opened.plaintext)).toBe('{"from":"the browser"}');
    const read = await message.evaluate(
      async (sealed, sent) => new TextDecoder().decode(await sealed.openAnswer(sent)),
      await opened.sealAnswer('{"from":"the server"}'),
    );
    expect(read).toBe('{"from":"the server"}');
  });
});
