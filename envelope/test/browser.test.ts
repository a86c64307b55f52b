import { existsSync } from "node:fs";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { importOpener, openRequest } from "../src/index.ts";
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
});
