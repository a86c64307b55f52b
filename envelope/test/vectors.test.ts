import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { utf8 } from "../src/bytes.ts";
import { hkdfSha256 } from "../src/hkdf.ts";
import { importOpener, type Opener } from "../src/index.ts";
import {
  answerOutcome,
  bytes,
  expectedOpening,
  expectedOutcome,
  openCase,
  openersOf,
  requestOutcome,
} from "./support/outcomes.ts";
import { negatives, positiveCases } from "./support/vectors.ts";

test("has the vectors that its generator makes, byte for byte", () => {
  const generator = fileURLToPath(new URL("vectors-generator/main.mjs", import.meta.url));
  expect(execFileSync(process.execPath, [generator, "--check"], { encoding: "utf8" })).toBe("");
});

describe("the positive vectors", () => {
  test.each(positiveCases)("opens $title, and the answer to it", async (sample) => {
    expect(await openCase(sample.private_jwk, sample)).toEqual(expectedOpening(sample));
  });

  test.each(positiveCases)("recovers the content key of $title", async ({ private_jwk, envelope, content_key }) => {
    const opener = await importOpener(private_jwk);
    expect(await opener.recoverContentKey(envelope)).toEqual(bytes(content_key));
  });

  test.each(positiveCases.filter((sample) => sample.shared_secret))(
    "derives the content key of $title from its shared secret",
    async ({ shared_secret = "", hkdf_salt = "", hkdf_info = "", content_key }) => {
      const derived = await hkdfSha256(bytes(shared_secret), {
        salt: bytes(hkdf_salt),
        info: utf8(hkdf_info),
        length: 32,
      });
      expect(derived).toEqual(bytes(content_key));
    },
  );
});

describe("the negative vectors", () => {
  let openers: Map<string, Opener>;
  beforeAll(async () => {
    openers = await openersOf(negatives);
  });

  test("has no two rows alike", () => {
    const rows = negatives.requests.map(({ name, expect: _, plaintext: __, ...row }) => [JSON.stringify(row), name]);
    const alike = rows.filter(([row], i) => rows.findIndex(([other]) => other === row) !== i).map(([, name]) => name);
    expect(alike).toEqual([]);
  });

  test.each(negatives.requests)("answers $expect to a request: $name", async (row) => {
    expect(await requestOutcome(openers, row)).toEqual(expectedOutcome(row));
  });

  test.each(negatives.answers)("says $expect of an answer: $name", async (row) => {
    expect(await answerOutcome(row)).toEqual(expectedOutcome(row));
  });
});
